// A named thread with a small stack, joined by its owner. std::thread would end the process where
// clone(2) fails; this returns an Error.
#pragma once

#include <pthread.h>

#include <functional>
#include <memory>

#include "base/mapping.hpp"
#include "base/result.hpp"

class Thread {
public:
    // Runs `body` on a new thread called `name` (at most 15 characters, as shown by ps -L).
    // Errors: EAGAIN where a limit on threads is reached; ENOMEM.
    static Result<Thread> start(const char* name, std::function<void()> body);

    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;
    Thread(Thread&& other) noexcept : state_(std::move(other.state_)) {}
    Thread& operator=(Thread&&) = delete;
    // Joins: whoever destroys a Thread has told its body to return.
    ~Thread();

    // The name of the calling thread: "main" where start() has not made it. Safe in a signal
    // handler.
    static const char* current_name();

    // Sends `signal` to the thread. Precondition: it has not been joined.
    void kill(int signal) const;

private:
    struct State {
        const char* name;
        std::function<void()> body;
        Mapping stack;  // of ours: the library would ask the kernel to clear it at the thread's end
        pthread_t handle;
    };
    explicit Thread(std::unique_ptr<State> state) : state_(std::move(state)) {}
    static void* run(void* state);

    std::unique_ptr<State> state_;
};
