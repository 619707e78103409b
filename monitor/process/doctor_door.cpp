#include "monitor/process/doctor_door.hpp"

#include <cstdio>

#include "base/log.hpp"
#include "monitor/doctor/report.hpp"
#include "monitor/process/help.hpp"
#include "monitor/process/status.hpp"

namespace {

constexpr int kSomethingMissing = 1;

int report(const Options& options) {
    const std::vector<Section> sections = examine({HostTree("/"), ask_kernel()});
    const std::string text = options.has("--json") ? as_json(sections) : as_text(sections);
    if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
        log_error(Error::from_errno("write").about("stdout"));
        return kRunStatuses.monitor_failed;
    }
    const bool is_strict = options.has("--strict");
    return has(sections, Verdict::kFail) || (is_strict && has(sections, Verdict::kWarn))
               ? kSomethingMissing
               : 0;
}

}  // namespace

int doctor_door(std::span<const char* const> arguments) {
    Asked asked = asked_by_word(arguments);
    if (asked != Asked::kNothing) return answer(asked, "doctor");
    const auto options = Options::parse(all_flags(), arguments, kDoctorDoor);
    if (!options.ok() || !options.value().rest().empty()) {
        log_error(options.ok()
                      ? Error{"mayfly doctor takes flags alone", 0, "see mayfly help doctor"}.about(
                            options.value().rest().front())
                      : options.error());
        return kRunStatuses.bad_arguments;
    }
    asked = asked_by_flag(options.value());
    return asked == Asked::kNothing ? report(options.value()) : answer(asked, "doctor");
}
