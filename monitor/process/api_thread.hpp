// The API's thread, named `api`: its server and the controller, and while it lives the metrics'
// lines. It has given up everything but its own work before it reads a client's first byte. Owned
// by main.
#pragma once

#include <atomic>
#include <memory>

#include "base/event_fd.hpp"
#include "base/result.hpp"
#include "base/thread.hpp"
#include "base/unique_fd.hpp"
#include "monitor/api/controller.hpp"
#include "monitor/api/server.hpp"
#include "monitor/process/serve_options.hpp"
#include "monitor/sandbox/filters.hpp"

struct ApiOptions {
    size_t max_body_bytes;
    StartWhen start;
    const char* thread;  // its name, which lives as long as the program
};

class ApiThread {
public:
    // Serves at `socket` from confined() on; see HttpServer. All references outlive the thread.
    // Errors: EAGAIN where no more threads may be had.
    static Result<ApiThread> start(UniqueFd socket, const ApiOptions& options,
                                   Controller& controller, const Filters& filters);

    ApiThread(const ApiThread&) = delete;
    ApiThread& operator=(const ApiThread&) = delete;
    ApiThread(ApiThread&&) = default;
    ApiThread& operator=(ApiThread&&) = delete;
    // Ends the thread, when it has answered what it is answering.
    ~ApiThread();

    // The caller has given up what the thread, which is older, still needed: it serves.
    void confined() const { state_->confined.signal(); }

    // Readable when the thread has ended by itself: its only client is gone, or
    int ended_fd() const { return state_->ended.fd(); }
    // it could not go on, or not start a VM that was configured already; it has said why then.
    bool has_failed() const { return state_->has_failed.load(); }

private:
    struct State {
        StartWhen start;
        HttpServer server;
        Controller& controller;
        const Filters& filters;
        EventFd confined;
        EventFd stop;
        EventFd ended;
        std::atomic<bool> has_failed = false;
    };

    ApiThread(std::unique_ptr<State> state, Thread thread)
        : state_(std::move(state)), thread_(std::move(thread)) {}

    static Result<> live(State& state);
    // False: the thread is to end.
    static bool wait_for_main(const State& state);

    std::unique_ptr<State> state_;
    Thread thread_;
};
