// base: listeners; see the header.
#include <redoubt/base/listeners.hpp>

#include <exception>
#include <mutex>
#include <vector>

namespace redoubt {

// The lock is held while the listener runs, so that whoever ends it waits for it; recursive, because the listener may do
// so itself, or may bring about another event.
struct ListenerHandle::Entry {
    explicit Entry(std::function<void(const void*)> called) : listener(std::move(called)) {}
    std::recursive_mutex mutex;
    std::function<void(const void*)> listener;
    bool ended = false;
};

struct ListenerHandle::Shared {
    std::mutex mutex;
    std::vector<std::shared_ptr<Entry>> entries;
};

ListenerHandle::ListenerHandle(std::weak_ptr<Shared> registry, std::shared_ptr<Entry> entry) noexcept
    : registry_(std::move(registry)), entry_(std::move(entry)) {}

ListenerHandle& ListenerHandle::operator=(ListenerHandle&& other) noexcept {
    if (this != &other) {
        end();
        registry_ = std::move(other.registry_);
        entry_ = std::move(other.entry_);
    }
    return *this;
}

void ListenerHandle::end() noexcept {
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

ListenerRegistry::ListenerRegistry() : shared_(std::make_shared<ListenerHandle::Shared>()) {}

ListenerHandle ListenerRegistry::add(std::function<void(const void*)> listener) {
    auto entry = std::make_shared<ListenerHandle::Entry>(std::move(listener));
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->entries.push_back(entry);
    }
    return {shared_, std::move(entry)};
}

void ListenerRegistry::tell(const void* event, const std::function<void(std::string_view what)>& failed) const {
    std::vector<std::shared_ptr<ListenerHandle::Entry>> entries;
    {
        const std::lock_guard lock(shared_->mutex);
        entries = shared_->entries;
    }
    for (const auto& entry : entries) {
        const std::lock_guard lock(entry->mutex);
        if (entry->ended) continue;
        try {
            entry->listener(event);
        } catch (const std::exception& thrown) {
            failed(thrown.what());
        } catch (...) {
            failed("something that is no std::exception");
        }
    }
}

}  // namespace redoubt
