#include "monitor/metrics/observation.hpp"

#include <limits>

Result<> Observation::configure_log(const LoggerConfig& config) {
    LogSettings settings = log_;
    if (logs_.size() >= kMostLogs)
        return Error{"logger", 0, "was changed too often in this process"};
    settings.instance_id = id_.c_str();
    if (config.path.has_value()) {
        UniqueFd file = TRY(open_log(config.path->c_str()));
        settings.fd = log_files_.emplace_back(std::move(file)).get();
    }
    if (config.module.has_value())
        settings.module =
            modules_.emplace_back(std::make_unique<const std::string>(*config.module))->c_str();
    settings.level = config.level.value_or(settings.level);
    settings.shows_level = config.shows_level.value_or(settings.shows_level);
    settings.shows_origin = config.shows_origin.value_or(settings.shows_origin);
    log_ = settings;
    set_log(*logs_.emplace_back(std::make_unique<const LogSettings>(log_)));
    return Ok{};
}

Result<> Observation::write_metrics_to(const std::string& path) {
    if (writer_.has_value()) return Error{"metrics", 0, "was given before, and cannot change"};
    writer_.emplace(TRY(open_metrics(path.c_str())), metrics_);
    // A FIFO may have no reader yet: what this line has to say is then in the next.
    static_cast<void>(writer_->flush());
    return Ok{};
}

Result<> Observation::flush_metrics() {
    if (!writer_.has_value())
        return Error{"FlushMetrics", 0, "needs a place for them; PUT /metrics first"};
    return writer_->flush();
}

void Observation::flush_metrics_if_due(uint64_t now_ns) {
    if (writer_.has_value()) writer_->flush_if_due(now_ns);
}

uint64_t Observation::metrics_due_ns() const {
    return writer_.has_value() ? writer_->due_ns() : std::numeric_limits<uint64_t>::max();
}
