// mayfly-bench: measurements of Mayfly that anyone can repeat. METHOD.md says what they mean.
#include <algorithm>
#include <cstdio>
#include <string_view>

#include "bench/api.hpp"
#include "bench/block.hpp"
#include "bench/channel.hpp"
#include "bench/compare.hpp"
#include "bench/density.hpp"
#include "bench/jail.hpp"
#include "bench/memory.hpp"
#include "bench/net.hpp"
#include "bench/rate.hpp"
#include "bench/report.hpp"
#include "bench/startup.hpp"

namespace {

struct Command {
    const char* name;
    Result<> (*run)(std::span<const char* const> arguments);
    const char* usage;
};

constexpr Command kCommands[] = {
    {"startup", startup, kStartupUsage},
    {"compare", compare_monitors, kCompareUsage},
    {"density", density, kDensityUsage},
    {"rate", rate, kRateUsage},
    {"block", block, kBlockUsage},
    {"net", net, kNetUsage},
    {"api", api, kApiUsage},
    {"jail", jail, kJailUsage},
    {"memory", memory, kMemoryUsage},
    {"channel", channel, kChannelUsage},
    {"report", report, kReportUsage},
};

// As a shell has it: 128 + SIGINT.
constexpr int kInterrupted = 130;

int complain(const Error& error) {
    char line[512];
    format_error(error, line);
    std::fprintf(stderr, "mayfly-bench: %s\n", line);
    return error.code == EINTR ? kInterrupted : 1;
}

int print_usage(FILE* file, int status) {
    std::fputs(
        "mayfly-bench measures Mayfly on this machine.\n\nusage: mayfly-bench COMMAND [flags]\n",
        file);
    for (const Command& command : kCommands) std::fprintf(file, "\n%s", command.usage);
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    const std::span<const char* const> arguments(argv, argv + argc);
    if (arguments.size() < 2) return print_usage(stderr, 2);
    const std::string_view name = arguments[1];
    if (name == "--help" || name == "-h") return print_usage(stdout, 0);
    const auto* const command = std::ranges::find(kCommands, name, &Command::name);
    if (command == std::end(kCommands)) {
        std::fprintf(stderr, "mayfly-bench: unknown command: %s; see mayfly-bench --help\n",
                     arguments[1]);
        return 2;
    }
    const auto result = command->run(arguments.subspan(2));
    if (!result.ok()) return complain(result.error());
    return std::fflush(stdout) == 0 ? 0 : 1;
}
