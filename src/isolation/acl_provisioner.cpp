// isolation: provisioning of ACL users; see the header.
#include "isolation/acl_provisioner.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "connection/server_error.hpp"
#include "isolation/acl_secret.hpp"
#include "isolation/acl_setup.hpp"
#include "isolation/acl_user.hpp"
#include "isolation/project_id.hpp"

namespace redoubt::isolation {
namespace {

// A user with more secrets than this has those of processes that ended long ago: they are taken away, and whoever still
// needs one adds it again.
constexpr std::size_t most_secrets = 16;
/// No project id, for a colon is in none.
constexpr std::string_view scan_id = ":scan";

Error no_thread() {
    return Error::of(ErrorKind::pool_exhausted, Certainty::not_sent, Stage::waiting_for_wire,
                     "the system has no thread for setting up users of projects");
}

std::runtime_error unknown_exception() { return std::runtime_error("something that is no std::exception"); }

/// The application's provider of secrets failed, or OpenSSL.
Error no_secret(const std::exception& broken) {
    return Error::with_detail(ErrorKind::configuration, Certainty::not_sent, Stage::connecting,
                              std::string("no secret for the server's user: ") + broken.what());
}

}  // namespace

std::shared_ptr<AclProvisioner> AclProvisioner::create(const RedisServiceConfig& config, std::uint32_t database) {
    return std::make_shared<AclProvisioner>(Private{}, config, database);
}

AclProvisioner::AclProvisioner(Private, const RedisServiceConfig& config, std::uint32_t database)
    : mode_(config.acl_users),
      connection_timeout_(config.connection_timeout),
      master_(config.acl_secret),
      provider_(config.acl_secret_provider),
      script_projects_(config.script_projects),
      database_(database),
      stop_(std::make_shared<StopSignal>()) {
    const std::optional<Target> target = config.admin_target();
    if (!target) return;
    if (target->scheme == Target::Scheme::tls) tls_ = std::make_shared<const connection::TlsContext>(config.tls);
    // A standalone server is the one node; those of a cluster would be theirs with this user and password.
    sessions_.push_back({*target, config.protocol, config.client_name, config.reply_limits});
}

AclProvisioner::~AclProvisioner() { stop(); }

AclLink AclProvisioner::make_link(std::size_t node) const {
    return AclLink(sessions_[node], tls_, connection_timeout_, stop_);
}

bool AclProvisioner::may_run_scripts(std::string_view project) const {
    return lists_project(script_projects_, project);
}

std::shared_ptr<AclProvisioner::User> AclProvisioner::user(std::string_view project) {
    const std::lock_guard lock(users_mutex_);
    const auto found = users_.find(project);
    if (found != users_.end()) return found->second;
    AclUser rules{AclRole::scan, KeyPrefix{}, database_};
    if (project != scan_id) {
        rules.role = may_run_scripts(project) ? AclRole::script_project : AclRole::project;
        rules.prefix = prefix_for(project);
    }
    auto made = std::make_shared<User>(weak_from_this(), std::string(project), std::move(rules));
    users_.emplace(std::string(project), made);
    return made;
}

std::shared_ptr<pool::Identity> AclProvisioner::project_identity(std::string_view project) { return user(project); }
std::shared_ptr<pool::Identity> AclProvisioner::scan_identity() { return user(scan_id); }

// The thread ---------------------------------------------------------------------------------------------------------

void AclProvisioner::enqueue(Task task) {
    {
        const std::lock_guard lock(mutex_);
        if (!stop_->stopped() && begin_thread()) {
            tasks_.push_back(std::move(task));
            work_came_.notify_one();
            return;
        }
    }
    task.done(stop_->stopped() ? acl_closed_error() : no_thread());
}

// Under the lock. False: the system has no thread for it.
bool AclProvisioner::begin_thread() noexcept {
    if (thread_.joinable()) return true;
    try {
        thread_ = std::thread([this] { work(); });
    } catch (const std::system_error&) {
        return false;
    }
    return true;
}

void AclProvisioner::work() {
    for (;;) {
        std::unique_lock lock(mutex_);
        work_came_.wait(lock, [&] { return stop_->stopped() || !tasks_.empty(); });
        if (stop_->stopped()) return links_.clear();  // an administrative client may outlive this service
        Task task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        std::optional<Error> outcome;
        if (Clock::now() >= task.deadline) {
            outcome = Error::of(ErrorKind::pool_exhausted, Certainty::not_sent, Stage::waiting_for_wire,
                                "too many users of projects have to be set up at once: the time was over before the "
                                "administrator's connection was free");
        } else {
            try {
                outcome = task.run();
            } catch (const std::exception& broken) {
                outcome = no_secret(broken);
            } catch (...) {
                outcome = no_secret(unknown_exception());
            }
        }
        task.done(std::move(outcome));
    }
}

void AclProvisioner::stop() noexcept {
    std::deque<Task> waiting;
    {
        const std::lock_guard lock(mutex_);
        stop_->stop();
        waiting.swap(tasks_);
        work_came_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
    for (const Task& task : waiting) task.done(acl_closed_error());
}

std::optional<Error> AclProvisioner::run_and_wait(std::function<std::optional<Error>()> run, TimePoint deadline) {
    if (!has_administrator()) {
        return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                         "this needs the administrator's connection: set admin_url (REDIS_ADMIN_URL)");
    }
    struct Answer {
        std::mutex mutex;
        std::condition_variable came;
        std::optional<std::optional<Error>> outcome;
    };
    const auto answer = std::make_shared<Answer>();
    enqueue({std::move(run),
             [answer](std::optional<Error> outcome) {
                 const std::lock_guard lock(answer->mutex);
                 answer->outcome = std::move(outcome);
                 answer->came.notify_one();
             },
             deadline});
    std::unique_lock lock(answer->mutex);
    if (!answer->came.wait_until(lock, deadline, [&] { return answer->outcome.has_value(); })) {
        return Error::of(ErrorKind::timeout, Certainty::unknown, Stage::sent,
                         "the administrator's connection did not answer in time");
    }
    return *answer->outcome;
}

// What is asked of the server --------------------------------------------------------------------------------------

std::string AclProvisioner::make_secret(const User& user) const {
    if (provider_) {
        std::string secret = provider_(user.project() == scan_id ? std::string_view() : user.project());
        if (secret.empty()) throw std::runtime_error("acl_secret_provider gave an empty one");
        return secret;
    }
    if (!master_.empty()) return hmac_hex(master_, user.project());
    return random_secret();
}

std::optional<Error> AclProvisioner::take_known_secret(User& user) const {
    try {
        user.set_first_secret(make_secret(user));
        return std::nullopt;
    } catch (const std::exception& broken) {
        return no_secret(broken);
    } catch (...) {
        return no_secret(unknown_exception());
    }
}

void AclProvisioner::make_links() {
    if (!links_.empty()) return;
    for (std::size_t i = 0; i != sessions_.size(); ++i) links_.push_back(make_link(i));
}

std::optional<Error> AclProvisioner::provision_user(User& user, bool another_secret, TimePoint deadline) {
    // Without users in use here nobody keeps a random one: whoever uses the project adds its own.
    const bool with_secret = mode_ != AclUsers::off || secrets_are_derived();
    std::string secret = user.secret();
    // A random one that the server has forgotten may have been taken away on purpose.
    if (with_secret && (secret.empty() || another_secret)) secret = make_secret(user);
    make_links();
    const std::string hash = with_secret ? sha256_hex(secret) : std::string();
    for (AclLink& link : links_) {
        const result<std::vector<std::string>> secrets = set_up_user(link, user.name(), user.rules(), hash, deadline);
        if (!secrets) return secrets.error();
        if (secrets->size() <= most_secrets) continue;
        Words trim{"ACL", "SETUSER", user.name(), "resetpass"};
        if (!hash.empty()) trim.push_back("#" + hash);
        const result<std::vector<Value>> trimmed = ask_again(link, {trim}, deadline);
        if (!trimmed) return user_failure(user.name(), trimmed.error());
        if (trimmed->front().is_error()) return user_failure(user.name(), trimmed->front());
    }
    if (with_secret) user.set_secret(std::move(secret));
    return std::nullopt;
}

std::optional<Error> AclProvisioner::rotate_user(User& user, TimePoint deadline) {
    const bool with_secret = mode_ != AclUsers::off || secrets_are_derived();
    std::string secret = with_secret ? make_secret(user) : std::string();
    const std::string hash = with_secret ? sha256_hex(secret) : std::string();
    make_links();
    // First every node takes the new one, then new connections use it, and only then the old ones go.
    for (AclLink& link : links_) {
        const result<std::vector<std::string>> all = set_up_user(link, user.name(), user.rules(), hash, deadline);
        if (!all) return all.error();
    }
    if (with_secret) user.set_secret(std::move(secret));
    // All but the new one in one step: naming each old one would fail as a whole where another administrator has taken one
    // of them away.
    Words forget{"ACL", "SETUSER", user.name(), "resetpass"};
    if (with_secret) forget.push_back("#" + hash);
    for (AclLink& link : links_) {
        const result<std::vector<Value>> done = ask_again(link, {forget}, deadline);
        if (!done) return user_failure(user.name(), done.error());
        if (done->front().is_error()) return user_failure(user.name(), done->front());
    }
    return std::nullopt;
}

std::optional<Error> AclProvisioner::remove_user(User& user, TimePoint deadline) {
    make_links();
    // Before its connections end, so that none of them comes back.
    user.set_removed(true);
    std::optional<Error> failed;
    std::int64_t found = 0;
    for (AclLink& link : links_) {
        const result<std::vector<Value>> gone = ask_again(link, {{"ACL", "DELUSER", user.name()}}, deadline);
        if (!gone) {
            failed = user_failure(user.name(), gone.error());
        } else if (const Value& reply = gone->front(); reply.is_error()) {
            failed = user_failure(user.name(), reply);
        } else {
            found += reply.integer;
        }
    }
    if (!failed && found == 0) {
        failed = user_failure(user.name(), ErrorKind::configuration, "there is no such user at the server");
    }
    if (failed) user.set_removed(false);
    return failed;
}

// For the administrator --------------------------------------------------------------------------------------------

std::optional<Error> AclProvisioner::provision(std::string_view project, TimePoint deadline) {
    const auto one = user(project);
    return run_and_wait([this, one, deadline] { return provision_user(*one, false, deadline); }, deadline);
}

std::optional<Error> AclProvisioner::rotate(std::string_view project, TimePoint deadline) {
    const auto one = user(project);
    return run_and_wait([this, one, deadline] { return rotate_user(*one, deadline); }, deadline);
}

std::optional<Error> AclProvisioner::remove(std::string_view project, TimePoint deadline) {
    const auto one = user(project);
    return run_and_wait([this, one, deadline] { return remove_user(*one, deadline); }, deadline);
}

result<std::vector<std::string>> AclProvisioner::list(TimePoint deadline) {
    const result<Value> users = command({"ACL", "USERS"}, deadline);
    if (!users) return users.error();
    std::vector<std::string> projects;
    for (const Value& name : users->elements) {
        const std::optional<std::string_view> project = project_of_acl_user(name.text);
        if (project && !check_project_id(*project)) projects.emplace_back(*project);
    }
    std::sort(projects.begin(), projects.end());
    return projects;
}

result<Value> AclProvisioner::command(const std::vector<std::string>& words, TimePoint deadline) {
    if (!has_administrator()) {
        return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                         "this needs the administrator's connection: set admin_url (REDIS_ADMIN_URL)");
    }
    // A connection for each, so that what one changed of its own is not there for the next.
    AclLink link = make_link(0);
    result<std::vector<Value>> replies = link.exchange({words}, deadline);
    if (!replies) return replies.error();
    Value& reply = replies->front();
    if (reply.is_error()) return connection::from_server_error(reply.text, KeyPrefix{});
    return std::move(reply);
}

}  // namespace redoubt::isolation
