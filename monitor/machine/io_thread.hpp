// The I/O thread: the one on which the loop of the VM's devices and console runs. Owned by the
// machine; its body runs on its own thread, named `io`.
#pragma once

#include <functional>

#include "base/io_loop.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "monitor/sandbox/filters.hpp"

class IoThread {
public:
    // What the thread tells, from its own body.
    struct News {
        std::function<void()> on_confined;           // it is under its filter, and begins
        std::function<void(const Error&)> on_unfit;  // it could not become so, and has ended
        std::function<void(const Error&)> on_error;  // the loop could not go on
    };

    // `loop` and `filters`, of which the thread installs its own, outlive it.
    static Result<IoThread> start(IoLoop& loop, const Filters& filters, News news);

    IoThread(const IoThread&) = delete;
    IoThread& operator=(const IoThread&) = delete;
    IoThread(IoThread&& other) noexcept;
    IoThread& operator=(IoThread&&) = delete;
    // Ends the thread.
    ~IoThread();

private:
    IoThread(IoLoop& loop, Thread thread) : loop_(&loop), thread_(std::move(thread)) {}

    IoLoop* loop_;
    Thread thread_;
};
