// A named thread with a small stack, joined by its owner. std::thread would end the process where
// clone(2) fails; this returns an Error.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

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

    // Moves the thread, which has just been started, to another processor than the caller's, if
    // this process has more than one: the kernel would have it wait for this one, which its owner
    // goes on to use. It stays there until settle(). Its owner.
    void move_elsewhere();
    // Lets the thread run wherever the process may. Its owner.
    void settle();

    // The name of the calling thread: "main" where start() has not made it. Safe in a signal
    // handler.
    static const char* current_name();

    // Sends `signal` to the thread, where its body runs; before and afterwards it does nothing. By
    // tgkill(2) alone: the C libraries' own ways take locks, block signals and differ, and a filter
    // would have to allow for all of it. A signal that overtakes the body's end may reach another
    // thread of this process: what it stands for has to bear that.
    void kill(int signal) const;

private:
    struct State {
        State(const char* its_name, std::function<void()> its_body, Mapping its_stack)
            : name(its_name), body(std::move(its_body)), stack(std::move(its_stack)) {}

        const char* name;
        std::function<void()> body;
        Mapping stack;  // of ours: the library would ask the kernel to clear it at the thread's end
        pthread_t handle{};
        pid_t process = ::getpid();
        std::atomic<pid_t> id{};                // while the body runs
        std::optional<cpu_set_t> processors{};  // of the process, while the thread is elsewhere
    };
    explicit Thread(std::unique_ptr<State> state) : state_(std::move(state)) {}
    static void* run(void* state);

    std::unique_ptr<State> state_;
};
