#include "monitor/process/api_thread.hpp"

#include <poll.h>

#include <array>

#include "base/log.hpp"
#include "monitor/sandbox/sandbox.hpp"

Result<ApiThread> ApiThread::start(UniqueFd socket, const ApiOptions& options,
                                   Controller& controller, const Filters& filters) {
    EventFd confined = TRY(EventFd::create());
    EventFd stop = TRY(EventFd::create());
    EventFd ended_event = TRY(EventFd::create());
    std::unique_ptr<State> state(
        new State{.start = options.start,
                  .server = HttpServer(std::move(socket), options.max_body_bytes),
                  .controller = controller,
                  .filters = filters,
                  .confined = std::move(confined),
                  .stop = std::move(stop),
                  .ended = std::move(ended_event)});
    Thread thread = TRY(Thread::start(options.thread, [raw = state.get()] {
        const Result<> ended = live(*raw);
        if (!ended.ok()) {
            log_error(ended.error());
            raw->has_failed = true;
        }
        raw->ended.signal();
    }));
    return ApiThread{std::move(state), std::move(thread)};
}

// A client's first byte meets no thread that could still do everything.
bool ApiThread::wait_for_main(const State& state) {
    std::array<pollfd, 2> events{{{state.confined.fd(), POLLIN, 0}, {state.stop.fd(), POLLIN, 0}}};
    while (::poll(events.data(), events.size(), -1) <= 0) {
    }
    return events[0].revents != 0;
}

Result<> ApiThread::live(State& state) {
    TRY(enter_api_sandbox());
    TRY(state.filters.install(ThreadRole::kApi));
    if (!wait_for_main(state)) return Ok{};
    if (state.start == StartWhen::kConfigured) TRY(state.controller.start_instance());
    Observation& observation = state.controller.observation();
    return state.server.serve(
        state.stop.fd(),
        {.answer = [&state](const HttpRequest& http) { return state.controller.answer(http); },
         .due_ns = [&observation] { return observation.metrics_due_ns(); },
         .on_due = [&observation](uint64_t now_ns) { observation.flush_metrics_if_due(now_ns); }});
}

ApiThread::~ApiThread() {
    if (state_ != nullptr) state_->stop.signal();
}
