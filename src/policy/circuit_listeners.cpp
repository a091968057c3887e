// policy: listeners of a breaker; see the header.
#include <redoubt/policy/circuit_listeners.hpp>

#include <exception>
#include <mutex>
#include <utility>
#include <vector>

namespace redoubt {

// The lock is held while the listener runs, so that whoever ends the subscription waits for it; recursive, because the
// listener may do so itself, or may change the state again.
struct CircuitSubscription::Entry {
    explicit Entry(CircuitListener called) : listener(std::move(called)) {}
    std::recursive_mutex mutex;
    CircuitListener listener;
    bool ended = false;
};

struct CircuitSubscription::Registry {
    std::mutex mutex;
    std::vector<std::shared_ptr<Entry>> entries;
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
    if (!entry) return;
    {
        const std::lock_guard lock(entry->mutex);
        entry->ended = true;
    }
    if (const auto registry = std::exchange(registry_, {}).lock()) {
        const std::lock_guard lock(registry->mutex);
        std::erase(registry->entries, entry);
    }
}

CircuitListeners::CircuitListeners() : registry_(std::make_shared<CircuitSubscription::Registry>()) {}

CircuitSubscription CircuitListeners::add(CircuitListener listener) {
    auto entry = std::make_shared<CircuitSubscription::Entry>(std::move(listener));
    {
        const std::lock_guard lock(registry_->mutex);
        registry_->entries.push_back(entry);
    }
    return {registry_, std::move(entry)};
}

void CircuitListeners::tell(const CircuitStateChange& change,
                            const std::function<void(std::string_view what)>& failed) const {
    std::vector<std::shared_ptr<CircuitSubscription::Entry>> entries;
    {
        const std::lock_guard lock(registry_->mutex);
        entries = registry_->entries;
    }
    for (const auto& entry : entries) {
        const std::lock_guard lock(entry->mutex);
        if (entry->ended || !entry->listener) continue;
        try {
            entry->listener(change);
        } catch (const std::exception& thrown) {
            failed(thrown.what());
        } catch (...) {
            failed("something that is no std::exception");
        }
    }
}

}  // namespace redoubt
