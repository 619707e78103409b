#include "monitor/process/vmm_command.hpp"

#include "base/log.hpp"
#include "monitor/process/vmm_options.hpp"
#include "monitor/process/vmm_process.hpp"
#include "monitor/sandbox/status.hpp"

int vmm_command(std::span<const char* const> arguments, Timeline& timeline) {
    const auto options = VmmOptions::parse(arguments);
    if (!options.ok()) {
        log_error(options.error());
        return kStatusBadArguments;
    }
    VmmProcess process(options.value(), timeline);
    if (const auto adopted = process.adopt_descriptors(); !adopted.ok()) {
        process.report(adopted.error());
        return kStatusBadArguments;
    }
    if (const auto configured = process.configure(); !configured.ok()) {
        process.report(configured.error());
        return kStatusBadConfiguration;
    }
    const auto status = process.run();
    if (status.ok()) return status.value();
    process.report(status.error());
    return kStatusFailed;
}
