// base: listeners; see the header.
#include <redoubt/base/listeners.hpp>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace redoubt {

struct ListenerHandle::Entry {
    std::function<void(const void*)> listener;
};

// One thread at a time tells, in order, also what others brought about meanwhile; and no lock is held while a listener runs.
// So a listener may bring about another event or end any handle, and no two wait for each other.
struct ListenerHandle::Shared {
    std::mutex mutex;
    std::vector<std::shared_ptr<Entry>> entries;
    std::deque<std::shared_ptr<const void>> untold;
    bool telling = false;
    std::thread::id teller;
    const Entry* told = nullptr;  // its listener runs
    std::condition_variable listener_returned;

    bool holds(const std::shared_ptr<Entry>& entry) const {
        return std::find(entries.begin(), entries.end(), entry) != entries.end();
    }
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
    const auto registry = std::exchange(registry_, {}).lock();
    if (!entry || !registry) return;
    std::unique_lock lock(registry->mutex);
    std::erase(registry->entries, entry);
    if (registry->teller == std::this_thread::get_id()) return;
    registry->listener_returned.wait(lock, [&] { return registry->told != entry.get(); });
}

ListenerRegistry::ListenerRegistry() : shared_(std::make_shared<ListenerHandle::Shared>()) {}

ListenerHandle ListenerRegistry::add(std::function<void(const void*)> listener) {
    auto entry = std::make_shared<ListenerHandle::Entry>(ListenerHandle::Entry{std::move(listener)});
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->entries.push_back(entry);
    }
    return {shared_, std::move(entry)};
}

void ListenerRegistry::tell(std::shared_ptr<const void> event,
                            const std::function<void(std::string_view what)>& failed) const {
    const auto registry = shared_;  // a listener may end what this belongs to
    std::unique_lock lock(registry->mutex);
    if (registry->entries.empty()) return;
    registry->untold.push_back(std::move(event));
    if (std::exchange(registry->telling, true)) return;
    registry->teller = std::this_thread::get_id();
    while (!registry->untold.empty()) {
        const auto next = std::move(registry->untold.front());
        registry->untold.pop_front();
        const auto entries = registry->entries;
        for (const auto& entry : entries) {
            if (!registry->holds(entry)) continue;
            registry->told = entry.get();
            lock.unlock();
            try {
                entry->listener(next.get());
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
