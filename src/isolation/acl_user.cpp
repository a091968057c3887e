// isolation: a user of the server; see the header.
#include "isolation/acl_user.hpp"

#include "isolation/acl_setup.hpp"

namespace redoubt::isolation {

Error acl_closed_error() {
    return Error::of(ErrorKind::connection, Certainty::not_sent, Stage::connecting, "the service is closed");
}

Error AclProvisioner::User::removed_error() const {
    return user_failure(name_, ErrorKind::authentication,
                        "the project was removed; the administrator can provision it again");
}

bool AclProvisioner::User::is_removed() const {
    const std::lock_guard lock(mutex_);
    return removed_;
}

void AclProvisioner::User::prepare(std::uint64_t refused, Done done) {
    const std::shared_ptr<AclProvisioner> owner = owner_.lock();
    if (owner == nullptr) return done(acl_closed_error());
    std::optional<std::optional<Error>> known;
    {
        const std::lock_guard lock(mutex_);
        if (removed_) {
            known = removed_error();
        } else if (version_ != 0 && refused != version_) {
            known = std::optional<Error>();  // somebody else was faster
        } else if (owner->mode_ == AclUsers::existing && refused != 0) {
            known =
                user_failure(name_, ErrorKind::authentication,
                             "the server refuses its login, and acl_users is existing: the user has to be made, and "
                             "with this secret (redoubt project add)");
        } else if (owner->mode_ == AclUsers::provisioned) {
            waiting_.push_back(std::move(done));
            if (std::exchange(under_way_, true)) return;
        }
    }
    if (known) return done(*known);
    if (owner->mode_ != AclUsers::provisioned) return done(owner->take_known_secret(*this));
    // Others may wait for it, too, so the time of this caller's dial is not its.
    const TimePoint deadline = Clock::now() + owner->connection_timeout_;
    owner->enqueue({[self = shared_from_this(), refused, deadline, raw = owner.get()] {
                        // The administrator may have removed it while this stood in line.
                        if (self->is_removed()) return std::optional(self->removed_error());
                        return raw->provision_user(*self, refused != 0, deadline);
                    },
                    [self = shared_from_this()](std::optional<Error> outcome) { self->answer(outcome); }, deadline});
}

void AclProvisioner::User::answer(const std::optional<Error>& outcome) {
    std::vector<Done> waiting;
    {
        const std::lock_guard lock(mutex_);
        under_way_ = false;
        waiting.swap(waiting_);
    }
    for (const Done& done : waiting) done(outcome);
}

}  // namespace redoubt::isolation
