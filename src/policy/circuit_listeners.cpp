// policy: listeners of a breaker; see the header.
#include <redoubt/policy/circuit_listeners.hpp>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace redoubt {

struct CircuitSubscription::Entry {
    CircuitListener listener;
};

// One thread at a time tells, in order, also what others changed meanwhile; and no lock is held while a listener runs. So a
// listener may change the state again or end any subscription, and no two wait for each other.
struct CircuitSubscription::Registry {
    std::mutex mutex;
    std::vector<std::shared_ptr<Entry>> entries;
    std::deque<CircuitStateChange> untold;
    bool telling = false;
    std::thread::id teller;
    const Entry* told = nullptr;  // its listener runs
    std::condition_variable listener_returned;

    bool holds(const std::shared_ptr<Entry>& entry) const {
        return std::find(entries.begin(), entries.end(), entry) != entries.end();
    }
};

CircuitSubscription::CircuitSubscription(std::weak_ptr<Registry> registry, std::shared_ptr<Entry> entry) noexcept
    : registry_(std::move(registry)), entry_(std::move(entry)) {}

CircuitSubscription& CircuitSubscription::operator=(CircuitSubscription&& other) noexcept {
    if (this != &other) {
        end();
        registry_ = std::move(other.registry_);
        entry_ = std::move(other.entry_);
    }
    return *this;
}

void CircuitSubscription::end() noexcept {
    const std::shared_ptr<Entry> entry = std::exchange(entry_, nullptr);
    const auto registry = std::exchange(registry_, {}).lock();
    if (!entry || !registry) return;
    std::unique_lock lock(registry->mutex);
    std::erase(registry->entries, entry);
    if (registry->teller == std::this_thread::get_id()) return;
    registry->listener_returned.wait(lock, [&] { return registry->told != entry.get(); });
}

CircuitListeners::CircuitListeners() : registry_(std::make_shared<CircuitSubscription::Registry>()) {}

CircuitSubscription CircuitListeners::add(CircuitListener listener) {
    auto entry = std::make_shared<CircuitSubscription::Entry>(CircuitSubscription::Entry{std::move(listener)});
    {
        const std::lock_guard lock(registry_->mutex);
        registry_->entries.push_back(entry);
    }
    return {registry_, std::move(entry)};
}

void CircuitListeners::tell(const CircuitStateChange& change,
                            const std::function<void(std::string_view what)>& failed) const {
    const auto registry = registry_;  // a listener may end what this belongs to
    std::unique_lock lock(registry->mutex);
    if (registry->entries.empty()) return;
    registry->untold.push_back(change);
    if (std::exchange(registry->telling, true)) return;
    registry->teller = std::this_thread::get_id();
    while (!registry->untold.empty()) {
        const CircuitStateChange next = std::move(registry->untold.front());
        registry->untold.pop_front();
        const auto entries = registry->entries;
        for (const auto& entry : entries) {
            if (!entry->listener || !registry->holds(entry)) continue;
            registry->told = entry.get();
            lock.unlock();
            try {
                entry->listener(next);
            } catch (const std::exception& thrown) {
                failed(thrown.what());
            } catch (...) {
                failed("something that is no std::exception");
            }
            lock.lock();
            registry->told = nullptr;
            registry->listener_returned.notify_all();
        }
    }
    registry->teller = {};
    registry->telling = false;
}

}  // namespace redoubt
