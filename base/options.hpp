// Command-line flags, GNU style: --flag value, --flag=value, and `--` before the rest. Values are
// views of argv. Main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"

// kOptional: behind `=` or not at all.
enum class FlagValue { kNone, kOptional, kRequired };
enum class FlagCount { kOnce, kRepeatable };

struct Flag {
    const char* name = nullptr;  // with the dashes: "--kernel"
    FlagValue value = FlagValue::kRequired;
    FlagCount count = FlagCount::kOnce;
    uint8_t commands = 0xff;            // a set of the program's commands: those that take it
    uint8_t group = 0;                  // under which heading the help has it
    const char* alias = nullptr;        // another name: "-h"
    const char* placeholder = nullptr;  // what the help calls its value: "FILE"
    const char* meaning = nullptr;      // a line of the help, or several
};

class Options {
public:
    // `arguments` are argv without the program's name and without a subcommand; `commands`: the one
    // (or several) whose flags they may be. Errors, each about the argument at fault: an unknown
    // flag, with the nearest known one; one repeated that may not be, a value missing or unwanted,
    // an argument that is no flag.
    static Result<Options> parse(std::span<const Flag> flags,
                                 std::span<const char* const> arguments, uint8_t commands = 0xff);

    bool has(std::string_view flag) const { return get(flag) != nullptr; }

    // The flag's value ("" where it has none), or nullptr where it was not given.
    const char* get(std::string_view flag) const;

    // The values of a flag that may be repeated, in the order given.
    std::vector<const char*> all(std::string_view flag) const;

    // What follows `--`.
    std::span<const char* const> rest() const { return rest_; }

private:
    struct Given {
        const Flag* flag;
        const char* value;
    };

    std::vector<Given> given_;
    std::span<const char* const> rest_;
};

// What a command line asks for in place of the program's work.
enum class Asked : uint8_t { kNothing, kHelp, kVersion };

// By the words `help` and `version` in front, or their flags. `arguments`: those of a command,
// which may be none.
Asked asked_by_word(std::span<const char* const> arguments);
// By the flags --help and --version.
Asked asked_by_flag(const Options& options);

// "512K", "128M", "4G" in bytes; the unit is a must. Errors: EINVAL, ERANGE past 64 bits.
Result<uint64_t> parse_size(const char* text);

// "500ms", "5s", "2m", "1h" in milliseconds; the unit is a must. Errors: EINVAL, ERANGE past 64
// bits.
Result<uint64_t> parse_duration_ms(const char* text);

// `parsed`, whose error says of `flag` and `value` what was said of a number or a size.
template <typename T>
Result<T> named(const char* flag, const char* value, Result<T> parsed) {
    if (parsed.ok()) return parsed;
    Error error = parsed.error();
    error.what = value;
    return error.about(flag);
}

// A decimal number in [least, most]. Errors: EINVAL, ERANGE.
Result<uint64_t> parse_number(const char* text, uint64_t least, uint64_t most);
