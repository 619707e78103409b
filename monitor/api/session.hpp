// The API as its server sees it: a request in, a response out. Before the VM runs the one
// controller answers, from then on the other. API thread.
#pragma once

#include <memory>
#include <optional>

#include "base/log_limit.hpp"
#include "monitor/api/connection.hpp"
#include "monitor/api/preboot_controller.hpp"
#include "monitor/api/runtime_controller.hpp"

class ApiSession {
public:
    // All outlive the session.
    ApiSession(PrebootController& preboot, InstanceStarter& starter, const VmSettings& settings,
               Observation& observation)
        : preboot_(preboot), starter_(starter), settings_(settings), observation_(observation) {}

    HttpResponse answer(const HttpRequest& http);

    // As a client would ask for it. Errors: what it would be told.
    Result<> start_instance();

private:
    Result<HttpResponse> answer_request(const ApiRequest& request);
    // `why`: it was refused; nullptr: it was not.
    void log(const HttpRequest& http, const char* why);

    PrebootController& preboot_;
    InstanceStarter& starter_;
    const VmSettings& settings_;
    Observation& observation_;
    std::optional<RuntimeController> runtime_;
    std::unique_ptr<LogLimit> limit_ = std::make_unique<LogLimit>();
};
