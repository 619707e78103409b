// What it takes to be told by an API what to run. METHOD.md, "mayfly-bench api", says what is
// timed.
#include <unistd.h>

#include "bench/api_vm.hpp"
#include "bench/probe.hpp"

namespace {

// From the line of --ready-fd to the first request: a client that took a process from a pool.
constexpr useconds_t kIdleUs = 5'000;
// The kernel goes on taking TAP and ring down after their process has been reaped.
constexpr useconds_t kSettleUs = 20'000;

struct ApiPlan {
    PlannedProgram planned;
    std::string socket_path;
    std::vector<PlannedRequest> requests;
    uint64_t times;  // how often each is asked
    int limit_ms;

    static Result<ApiPlan> create(const Fields& fields) {
        return ApiPlan{.planned = TRY(PlannedProgram::create(fields.object("program"))),
                       .socket_path = fields.text("socket"),
                       .requests = planned_requests(fields),
                       .times = fields.number("times"),
                       .limit_ms = static_cast<int>(fields.number("limit_ms"))};
    }

    Result<ApiVm> start() const { return ApiVm::start(planned.program, socket_path); }
};

// Spawn to the line of --ready-fd, and to the answer to the first request, which is sent then. The
// process is killed and reaped in the end.
class ApiReady : public Probe {
public:
    explicit ApiReady(ApiPlan plan) : plan_(std::move(plan)) {}

    Result<std::vector<double>> measure(uint64_t) override {
        const ApiVm vm = TRY(plan_.start());
        const double ready_us = TRY(vm.ready_us(plan_.limit_ms));
        HttpClient client = TRY(vm.connect());
        const PlannedRequest& request = plan_.requests.front();
        TRY(client.send(request.text));
        TRY(client.receive(request.expected));
        return std::vector<double>{ready_us, now_us() - vm.process().started_us()};
    }

private:
    ApiPlan plan_;
};

// Each request's own time to its answer; the last, which starts the guest, to the guest's first
// output; then all of it.
class ApiStart : public Probe {
public:
    explicit ApiStart(ApiPlan plan) : plan_(std::move(plan)) {}

    Result<std::vector<double>> measure(uint64_t) override {
        ApiVm vm = TRY(plan_.start());
        TRY(vm.ready_us(plan_.limit_ms));
        ::usleep(kIdleUs);
        HttpClient client = TRY(vm.connect());
        std::vector<double> values;
        const double start_us = now_us();
        double last_us = start_us;
        for (const PlannedRequest& request : plan_.requests) {
            TRY(client.send(request.text));
            // The guest may say something before its start is answered.
            if (&request == &plan_.requests.back())
                TRY(vm.process().first_output_us(plan_.limit_ms));
            else
                TRY(client.receive(request.expected));
            const double arrived_us = now_us();
            values.push_back(arrived_us - last_us);
            last_us = arrived_us;
        }
        values.push_back(last_us - start_us);
        TRY(client.receive(plan_.requests.back().expected));
        TRY(vm.process().wait_for_success(plan_.limit_ms));
        ::usleep(kSettleUs);
        return values;
    }

private:
    ApiPlan plan_;
};

// Each request again and again on one connection: from just before it is sent until all of the
// answer has been read. All times of the first, then all of the next.
class ApiAnswers : public Probe {
public:
    explicit ApiAnswers(ApiPlan plan) : plan_(std::move(plan)) {}

    Result<std::vector<double>> measure(uint64_t) override {
        const ApiVm vm = TRY(plan_.start());
        TRY(vm.ready_us(plan_.limit_ms));
        HttpClient client = TRY(vm.connect());
        std::vector<double> values;
        values.reserve(plan_.times * plan_.requests.size());
        for (const PlannedRequest& request : plan_.requests) {
            for (uint64_t i = 0; i < plan_.times; ++i) {
                const double sent_us = now_us();
                TRY(client.send(request.text));
                TRY(client.receive(request.expected));
                values.push_back(now_us() - sent_us);
            }
        }
        return values;
    }

private:
    ApiPlan plan_;
};

template <typename Kind>
Result<std::unique_ptr<Probe>> make(const Fields& fields) {
    ApiPlan plan = TRY(ApiPlan::create(fields));
    if (plan.requests.empty()) return Error{"plan", EPROTO, "has no requests"};
    return std::unique_ptr<Probe>(new Kind(std::move(plan)));
}

}  // namespace

Result<std::unique_ptr<Probe>> make_api_ready(const Fields& fields) {
    return make<ApiReady>(fields);
}

Result<std::unique_ptr<Probe>> make_api_start(const Fields& fields) {
    return make<ApiStart>(fields);
}

Result<std::unique_ptr<Probe>> make_api_answers(const Fields& fields) {
    return make<ApiAnswers>(fields);
}
