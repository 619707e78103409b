// A system call policy: for each role of a thread the calls that it may make, as text. Read when
// Mayfly is built and by mayfly-policy; the monitor itself only sees what it is compiled to.
//
//     # A comment.
//     [vcpu]
//     ioctl  arg1 == KVM_RUN                         # enters the guest
//     mmap   arg2 & ~(PROT_READ|PROT_WRITE) == 0 and arg3 == 0x32  # why this is needed
//
// A line allows one call, if all its conditions hold; a call that several lines allow needs one of
// them. Comparisons are ==, !=, <, <=, >, >= of 64 bits without a sign; a value is a number or
// names (names.hpp) joined by `|`, and `~(...)` is its complement. Every line gives its reason.
// OWN_PID is the id of the process that the filter is installed in.
// The lines of the role `all` are part of every other role.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

enum class Comparison : uint8_t {
    kEqual,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
};

struct Condition {
    unsigned argument;  // 0 to 5
    uint64_t mask;      // applied to the argument before it is compared; all ones: none was given
    Comparison comparison;
    uint64_t value;

    bool operator==(const Condition&) const = default;
};

struct Rule {
    std::string call;
    int number;  // of the call, on x86_64
    std::vector<Condition> conditions;
    unsigned line;  // of the text, from 1
};

struct RolePolicy {
    std::string name;
    std::vector<Rule> rules;
};

class Policy {
public:
    static constexpr size_t kMaxRoleName = 15;
    static constexpr char kAllRoles[] = "all";

    // Adds what `text` allows. A role may be spread over texts. Errors: EINVAL, with the number of
    // the line as the value and what is wrong with it as the hint; nothing is added then.
    Result<> add(std::string_view text);

    // The roles, `all` dissolved in the others, in the order of their first mention.
    std::vector<RolePolicy> roles() const;

private:
    std::vector<RolePolicy> sections_;  // as they stand in the text
};
