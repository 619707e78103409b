// Calls that other threads ask the I/O thread to make, between two of its rounds. Who asks waits
// until it has been made, so the call may look at the asker's variables. Made by the machine before
// the loop starts.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>

#include "base/condition_variable.hpp"
#include "base/event_fd.hpp"
#include "base/io_loop.hpp"
#include "base/passkey.hpp"
#include "base/result.hpp"

class IoCalls {
public:
    // Joins `loop`, which outlives the calls. Errors: as IoLoop::on_event().
    static Result<std::unique_ptr<IoCalls>> create(IoLoop& loop);
    IoCalls(Passkey<IoCalls> /*key*/, EventFd asked) : asked_(std::move(asked)) {}

    // Returns when `call` has returned there. One thread, which is not the I/O thread. Errors:
    // ETIMEDOUT: the I/O thread did not come to it in time, and will not.
    Result<> make(const std::function<void()>& call,
                  std::chrono::milliseconds patience = kPatience);

private:
    // Longer than any operation of a disk that blocks the plain engine should take.
    static constexpr std::chrono::seconds kPatience{10};

    void serve();

    EventFd asked_;
    std::mutex mutex_;  // guards call_, also while it is made
    ConditionVariable made_;
    const std::function<void()>* call_ = nullptr;  // nullptr: nobody asks
};
