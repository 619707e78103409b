#include "base/io_calls.hpp"

#include <utility>

Result<std::unique_ptr<IoCalls>> IoCalls::create(IoLoop& loop) {
    EventFd asked = TRY(EventFd::create());
    auto calls = std::make_unique<IoCalls>(Passkey<IoCalls>(), std::move(asked));
    TRY(loop.on_event(calls->asked_, [raw = calls.get()] { raw->serve(); }));
    return calls;
}

Result<> IoCalls::make(const std::function<void()>& call, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    call_ = &call;
    asked_.signal();
    if (made_.wait_for(lock, patience, [this] { return call_ == nullptr; })) return Ok{};
    call_ = nullptr;
    return Error{"I/O thread", ETIMEDOUT};
}

void IoCalls::serve() {
    const std::lock_guard lock(mutex_);
    const auto* const call = std::exchange(call_, nullptr);
    if (call == nullptr) return;
    (*call)();
    made_.notify_all();
}
