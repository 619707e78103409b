#include "monitor/metrics/observation.hpp"

#include <limits>

#include "base/called_as.hpp"
#include "base/log.hpp"

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
    const bool is_first = logs_.empty();
    set_log(*logs_.emplace_back(std::make_unique<const LogSettings>(log_)));
    // Programs look for how it begins.
    if (is_first)
        LOG_INFO("Running Firecracker v%s's API on Mayfly v%s", kPeerVersion, MAYFLY_VERSION);
    return Ok{};
}

Result<> Observation::write_metrics_to(const std::string& path, std::string fields) {
    if (writer_.has_value()) return Error{"Reinitialization of metrics not allowed."};
    writer_.emplace(TRY(open_metrics(path.c_str())), metrics_);
    metrics_.begin_lines_with(std::move(fields));
    return Ok{};
}

Result<> Observation::flush_metrics() {
    return writer_.has_value() ? writer_->flush() : Ok{};
}

void Observation::flush_metrics_if_due(uint64_t now_ns) {
    if (metrics_due_ns() <= now_ns) writer_->flush_if_due(now_ns);
}

uint64_t Observation::metrics_due_ns() const {
    constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();
    return writer_.has_value() && has_started_ ? writer_->due_ns() : kNever;
}
