// mayfly-policy: system call policies to the filters that Mayfly installs.
#include <fcntl.h>

#include <array>
#include <cinttypes>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/options.hpp"
#include "base/read_all.hpp"
#include "base/unique_fd.hpp"
#include "monitor/policy/compiler.hpp"
#include "monitor/policy/policy.hpp"

namespace {

constexpr char kUsage[] =
    R"(mayfly-policy turns system call policies into filters for mayfly --seccomp-filter.

usage: mayfly-policy compile FILE...   the filters, to stdout
       mayfly-policy show FILE...      each line with its numbers: role, line, call, number,
                                       then argument, mask, comparison and value of each condition
       mayfly-policy names             the names of all system calls by number, each ended by a zero

  -h, --help      this page; also as the word help
  -V, --version   the version; also as the word version
)";

Result<std::string> read_file(const char* path) {
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) return Error::from_errno("open").about(path);
    auto text = read_all(file.get());
    if (!text.ok()) return text.error().about(path);
    return text;
}

Result<Policy> read_policy(std::span<const char* const> paths) {
    if (paths.empty()) return Error{"FILE", 0, "is missing; see mayfly-policy --help"};
    Policy policy;
    for (const char* const path : paths) {
        const std::string text = TRY(read_file(path));
        const auto added = policy.add(text);
        if (added.ok()) continue;
        return Error{"policy", 0, added.error().hint}.about(std::string(path) + ":" +
                                                            std::to_string(*added.error().value));
    }
    return policy;
}

Result<> print(std::string_view bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() ||
        std::fflush(stdout) != 0)
        return Error::from_errno("write").about("stdout");
    return Ok{};
}

Result<> show(const Policy& policy) {
    constexpr std::array kSigns{"==", "!=", "<", "<=", ">", ">="};
    for (const RolePolicy& role : policy.roles()) {
        for (const Rule& rule : role.rules) {
            std::printf("%s %u %s %d", role.name.c_str(), rule.line, rule.call.c_str(),
                        rule.number);
            for (const Condition& it : rule.conditions)
                std::printf(" %u %#" PRIx64 " %s %#" PRIx64, it.argument, it.mask,
                            kSigns[static_cast<size_t>(it.comparison)], it.value);
            std::printf("\n");
        }
    }
    return print("");
}

Result<> run(std::span<const char* const> arguments) {
    if (arguments.empty()) return Error{"say what to do; see mayfly-policy --help"};
    const std::string_view command = arguments.front();
    const bool is_command = command == "compile" || command == "show" || command == "names";
    switch (asked_by_word(arguments.subspan(is_command ? 1 : 0))) {
        case Asked::kHelp:
            return print(kUsage);
        case Asked::kVersion:
            return print("mayfly-policy " MAYFLY_VERSION "\n");
        case Asked::kNothing:
            break;
    }
    if (!is_command)
        return Error{"unknown command", 0, "see mayfly-policy --help"}.about(arguments.front());
    if (command == "names") return print(system_call_names());
    const Policy policy = TRY(read_policy(arguments.subspan(1)));
    if (command == "show") return show(policy);
    return print(TRY(compile(policy.roles())));
}

}  // namespace

int main(int argc, char** argv) {
    set_log_name("mayfly-policy");
    const std::span<const char* const> arguments(argv + 1, argc > 0 ? argv + argc : argv + 1);
    const auto done = run(arguments);
    if (done.ok()) return 0;
    log_error(done.error());
    return 1;
}
