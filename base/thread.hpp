// A named thread with a small stack, joined by its owner. std::thread would end the process where
// clone(2) fails; this returns an Error.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "base/lent_thread.hpp"
#include "base/mapping.hpp"
#include "base/result.hpp"

class Thread {
public:
    // Runs `body` on a new thread called `name` (at most 15 characters, as shown by ps -L).
    // Errors: EAGAIN where a limit on threads is reached; ENOMEM.
    static Result<Thread> start(const char* name, std::function<void()> body);

    // Runs `body` on `lent`, after what that was given before. `lent` outlives the Thread, whose
    // end waits for that of the body.
    static Thread on(LentThread& lent, std::function<void()> body);

    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;
    Thread(Thread&& other) noexcept : state_(std::move(other.state_)) {}
    Thread& operator=(Thread&&) = delete;
    // Joins: whoever destroys a Thread has told its body to return.
    ~Thread();

    // Moves the thread, which has just been started, to another processor than the caller's, if
    // this process has more than one: the kernel would have it wait there until its owner sleeps.
    void move_elsewhere();

    // The name of the calling thread: "main" where it has got no other. Safe in a signal handler.
    static const char* current_name();

    // Names the calling thread, which start() has not made: to us, not to the kernel, to which the
    // name of the first thread is that of the process. `name` lives as long as the thread.
    static void name_caller(const char* name);

    // Sends `signal` to the thread, where its body runs; before and afterwards it does nothing. By
    // tgkill(2) alone: the C libraries' own ways take locks, block signals and differ, and a filter
    // would have to allow for all of it. A signal that overtakes the body's end may reach another
    // thread of this process: what it stands for has to bear that.
    void kill(int signal) const;

private:
    struct State {
        State(const char* its_name, std::function<void()> its_body)
            : name(its_name), body(std::move(its_body)) {}

        void run();

        const char* name;
        std::function<void()> body;
        // Of ours: the library would ask the kernel to clear it at the thread's end. None: `lent`.
        std::optional<Mapping> stack{};
        pthread_t handle{};
        LentThread* lent = nullptr;
        pid_t process = ::getpid();
        std::atomic<pid_t> id{};  // while the body runs
    };
    explicit Thread(std::unique_ptr<State> state) : state_(std::move(state)) {}
    static void* run(void* state);

    std::unique_ptr<State> state_;
};
