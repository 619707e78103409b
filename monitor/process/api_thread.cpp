#include "monitor/process/api_thread.hpp"

#include "base/log.hpp"
#include "monitor/sandbox/sandbox.hpp"

Result<ApiThread> ApiThread::start(UniqueFd socket, const ApiOptions& options,
                                   Controller& controller, const Filters& filters) {
    EventFd stop = TRY(EventFd::create());
    EventFd ended_event = TRY(EventFd::create());
    std::unique_ptr<State> state(
        new State{.start = options.start,
                  .server = HttpServer(std::move(socket), options.max_body_bytes),
                  .controller = controller,
                  .filters = filters,
                  .stop = std::move(stop),
                  .ended = std::move(ended_event)});
    Thread thread = TRY(Thread::start("api", [raw = state.get()] {
        const Result<> ended = live(*raw);
        if (!ended.ok()) {
            log_error(ended.error());
            raw->has_failed = true;
        }
        raw->ended.signal();
    }));
    return ApiThread{std::move(state), std::move(thread)};
}

Result<> ApiThread::live(State& state) {
    TRY(enter_api_sandbox());
    TRY(state.filters.install(ThreadRole::kApi));
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
