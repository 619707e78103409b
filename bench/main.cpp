// mayfly-bench: measurements of Mayfly that anyone can repeat. METHOD.md says what they mean.
#include <cstdio>
#include <string_view>

#include "bench/api.hpp"
#include "bench/channel.hpp"
#include "bench/disk.hpp"
#include "bench/jail.hpp"
#include "bench/memory.hpp"
#include "bench/net.hpp"
#include "bench/startup.hpp"

namespace {

constexpr char kUsage[] =
    R"(mayfly-bench measures Mayfly on this machine.

usage: mayfly-bench startup|api|jail|memory|disk|net|channel [flags]

)";

int report(const Result<>& result) {
    if (result.ok()) return std::fflush(stdout) == 0 ? 0 : 1;
    char line[512];
    format_error(result.error(), line);
    std::fprintf(stderr, "mayfly-bench: %s\n", line);
    return 1;
}

int print_usage(FILE* file, int status) {
    std::fprintf(file, "%s%s\n%s\n%s\n%s\n%s\n%s\n%s", kUsage, kStartupUsage, kApiUsage, kJailUsage,
                 kMemoryUsage, kDiskUsage, kNetUsage, kChannelUsage);
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    const std::span<const char* const> arguments(argv, argv + argc);
    if (arguments.size() < 2) return print_usage(stderr, 2);
    const std::string_view command = arguments[1];
    const auto rest = arguments.subspan(2);
    if (command == "startup") return report(startup(rest));
    if (command == "api") return report(api(rest));
    if (command == "jail") return report(jail(rest));
    if (command == "memory") return report(memory(rest));
    if (command == "disk") return report(disk(rest));
    if (command == "net") return report(net(rest));
    if (command == "channel") return report(channel(rest));
    if (command == "--help" || command == "-h") return print_usage(stdout, 0);
    return print_usage(stderr, 2);
}
