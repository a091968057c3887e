// base: who is told when something happens, for as long as they want to be.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

namespace redoubt {

/// A listener is told for as long as this lives. Movable; distinct objects may be used from distinct threads.
class ListenerHandle {
public:
    ListenerHandle() = default;
    ~ListenerHandle() { end(); }
    ListenerHandle(ListenerHandle&& other) noexcept = default;
    ListenerHandle& operator=(ListenerHandle&& other) noexcept;

    /// Once it returns the listener is not called any more: a call of it that is under way on another thread is waited
    /// for. May be called by the listener itself, or by another one of the same event; then it does not wait.
    void end() noexcept;

private:
    friend class ListenerRegistry;
    struct Entry;
    struct Shared;
    ListenerHandle(std::weak_ptr<Shared> registry, std::shared_ptr<Entry> entry) noexcept;

    std::weak_ptr<Shared> registry_;
    std::shared_ptr<Entry> entry_;
};

/// What `Listeners` of every kind have in common: listeners of something without a type. Thread-safe.
class ListenerRegistry {
public:
    ListenerRegistry();
    [[nodiscard]] ListenerHandle add(std::function<void(const void*)> listener);
    void tell(std::shared_ptr<const void> event, const std::function<void(std::string_view what)>& failed) const;

private:
    std::shared_ptr<ListenerHandle::Shared> shared_;
};

/// Listeners of one kind of event. Thread-safe. One thread at a time tells, in the order in which events came to it, also
/// those that another thread, or a listener, brought about meanwhile. A listener should be quick, and must not throw; what it
/// throws goes no further than `failed`.
template <class Event>
class Listeners {
public:
    [[nodiscard]] ListenerHandle add(std::function<void(const Event&)> listener) {
        if (!listener) return {};
        return registry_.add(
            [called = std::move(listener)](const void* event) { called(*static_cast<const Event*>(event)); });
    }
    /// Tells each; `failed` gets the texts of what they throw.
    void tell(Event event, const std::function<void(std::string_view what)>& failed) const {
        registry_.tell(std::make_shared<const Event>(std::move(event)), failed);
    }

private:
    ListenerRegistry registry_;
};

}  // namespace redoubt
