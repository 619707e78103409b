#include "monitor/api/session.hpp"

#include "base/log.hpp"
#include "monitor/api/request_metrics.hpp"

HttpResponse ApiSession::answer(const HttpRequest& http) {
    JsonDocument document;
    const auto request = parse_request(http, document);
    auto answered =
        request.ok() ? answer_request(request.value()) : Result<HttpResponse>(request.error());
    count_request(http, answered.ok() ? Outcome::kDone : Outcome::kRefused,
                  observation_.metrics().requests);
    if (answered.ok()) {
        log(http, nullptr);
        return std::move(answered).value();
    }
    const std::string why = fault_text(answered.error());
    log(http, why.c_str());
    return http_fault(why);
}

// The client has been told already; who has asked for a log wants to know too.
void ApiSession::log(const HttpRequest& http, const char* why) {
    if (!observation_.has_log() || !limit_->admits()) return;
    const std::string path(http.path);
    if (why == nullptr)
        LOG_INFO("%s %s: done", name_of(http.method), path.c_str());
    else
        LOG_WARNING("%s %s: refused: %s", name_of(http.method), path.c_str(), why);
}

Result<> ApiSession::start_instance() {
    TRY(answer_request(ApiAction::kInstanceStart));
    return Ok{};
}

Result<HttpResponse> ApiSession::answer_request(const ApiRequest& request) {
    if (runtime_.has_value()) return runtime_->answer(request);
    HttpResponse response = TRY(preboot_.answer(request, starter_));
    if (preboot_.started() != nullptr) {
        preboot_.started()->attach_to(observation_.metrics());
        runtime_.emplace(settings_, *preboot_.started(), observation_);
    }
    return response;
}
