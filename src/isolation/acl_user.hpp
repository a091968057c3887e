// isolation: a user of the server, as the provisioner knows it.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "isolation/acl_provisioner.hpp"

namespace redoubt::isolation {

Error acl_closed_error();

/// One user, and what is known of it in this process.
class AclProvisioner::User final : public pool::Identity, public std::enable_shared_from_this<User> {
public:
    User(std::weak_ptr<AclProvisioner> owner, std::string project, AclUser rules)
        : project_(std::move(project)),
          name_(rules.role == AclRole::scan ? std::string(acl_scan_user) : acl_user_of(project_)),
          rules_(std::move(rules)),
          owner_(std::move(owner)) {}

    const std::string& project() const noexcept { return project_; }
    const std::string& name() const noexcept { return name_; }
    const AclUser& rules() const noexcept { return rules_; }

    result<std::optional<Login>> login() override {
        const std::lock_guard lock(mutex_);
        if (version_ == 0 || removed_) return std::optional<Login>();
        return std::optional(Login{name_, secret_, version_});
    }
    void prepare(std::uint64_t refused, Done done) override;

    std::string secret() const {
        const std::lock_guard lock(mutex_);
        return secret_;
    }
    void set_secret(std::string secret) {
        const std::lock_guard lock(mutex_);
        secret_ = std::move(secret);
        removed_ = false;
        ++version_;
    }
    /// Of a user that is there already: the first secret stays, however many dials ask at once.
    void set_first_secret(std::string secret) {
        const std::lock_guard lock(mutex_);
        if (version_ != 0) return;
        secret_ = std::move(secret);
        version_ = 1;
    }
    bool is_removed() const;
    Error removed_error() const;
    void set_removed(bool removed) {
        const std::lock_guard lock(mutex_);
        removed_ = removed;
    }

private:
    void answer(const std::optional<Error>& outcome);

    std::string project_;
    std::string name_;
    AclUser rules_;
    std::weak_ptr<AclProvisioner> owner_;
    mutable std::mutex mutex_;
    std::string secret_;
    std::uint64_t version_ = 0;
    bool removed_ = false;
    bool under_way_ = false;
    std::vector<Done> waiting_;  // for what is under way
};

}  // namespace redoubt::isolation
