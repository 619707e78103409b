#include "monitor/policy/policy.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <asm/unistd_64.h>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sstream>

#include "monitor/kvm/ioctl.hpp"
#include "monitor/policy/compiler.hpp"
#include "monitor/policy/names.hpp"

namespace {

std::vector<RolePolicy> parse(std::string_view text) {
    Policy policy;
    EXPECT_TRUE(policy.add(text).ok());
    return policy.roles();
}

void expect_refused(std::string_view text, uint64_t line, std::string_view hint) {
    Policy policy;
    const auto added = policy.add(text);
    ASSERT_FALSE(added.ok()) << text;
    EXPECT_EQ(added.error().value, line) << text;
    EXPECT_NE(std::string_view(added.error().hint).find(hint), std::string_view::npos)
        << added.error().hint;
    EXPECT_TRUE(policy.roles().empty());
}

TEST(Policy, TakesCallsWithAndWithoutConditions) {
    const auto roles = parse(
        "# a comment\n\n[vcpu]\n"
        "write # stdout\n"
        "  ioctl\targ1 == KVM_RUN and arg0 != 0x10  # runs\r\n"
        "mmap arg2 & ~(PROT_READ|PROT_WRITE) == 0 # memory");
    ASSERT_EQ(roles.size(), 1U);
    EXPECT_EQ(roles[0].name, "vcpu");
    ASSERT_EQ(roles[0].rules.size(), 3U);
    const auto& rules = roles[0].rules;
    EXPECT_EQ(rules[0].number, __NR_write);
    EXPECT_TRUE(rules[0].conditions.empty());
    EXPECT_EQ(rules[0].line, 4U);
    EXPECT_EQ(rules[1].number, __NR_ioctl);
    const std::vector<Condition> expected{{1, UINT64_MAX, Comparison::kEqual, KVM_RUN},
                                          {0, UINT64_MAX, Comparison::kNotEqual, 16}};
    EXPECT_EQ(rules[1].conditions, expected);
    const Condition masked{2, ~uint64_t{PROT_READ | PROT_WRITE}, Comparison::kEqual, 0};
    EXPECT_EQ(rules[2].conditions, std::vector{masked});
}

TEST(Policy, ComparesInSixWays) {
    const auto roles = parse(
        "[a]\nread arg0 == 1 # r\nread arg0 != 1 # r\nread arg0 < 1 # r\nread arg0 <= 1 # r\n"
        "read arg0 > 1 # r\nread arg0 >= 18446744073709551615 # r\n");
    for (size_t i = 0; i < 6; ++i)
        EXPECT_EQ(static_cast<size_t>(roles[0].rules[i].conditions[0].comparison), i);
    EXPECT_EQ(roles[0].rules[5].conditions[0].value, UINT64_MAX);
}

TEST(Policy, GathersRolesFromSectionsAndGivesAllToEach) {
    Policy policy;
    ASSERT_TRUE(policy.add("[a]\nread # r\n[all]\nclose # c\n[b]\nwrite # w\n").ok());
    ASSERT_TRUE(policy.add("[a]\nfutex # f\n").ok());
    const auto roles = policy.roles();
    ASSERT_EQ(roles.size(), 2U);
    EXPECT_EQ(roles[0].rules.size(), 3U);
    EXPECT_EQ(roles[1].rules.size(), 2U);
    EXPECT_EQ(roles[1].rules[1].call, "close");
}

TEST(Policy, NamesTheLineThatIsWrong) {
    expect_refused("read # r\n", 1, "before the first");
    expect_refused("[a]\n\nread\n", 3, "no reason");
    expect_refused("[a]\nread #  \n", 2, "no reason");
    expect_refused("[a]\nraed # r\n", 2, "no system call");
    expect_refused("[a]\naccept7 # r\n", 2, "no system call");
    expect_refused("[a\nread # r\n", 1, "does not end with ]");
    expect_refused("[]\n", 1, "no role");
    expect_refused("[A]\n", 1, "no role");
    expect_refused("[abcdefghijklmnop]\n", 1, "no role");
    expect_refused("[a]\nread arg6 == 1 # r\n", 2, "arg0 to arg5");
    expect_refused("[a]\nread fd == 1 # r\n", 2, "arg0 to arg5");
    expect_refused("[a]\nread arg0 # r\n", 2, "has none of");
    expect_refused("[a]\nread arg0 = 1 # r\n", 2, "has none of");
    expect_refused("[a]\nread arg0 == # r\n", 2, "missing");
    expect_refused("[a]\nread arg0 == A| # r\n", 2, "does not know");
    expect_refused("[a]\nread arg0 == 1| # r\n", 2, "missing");
    expect_refused("[a]\nread arg0 == 18446744073709551616 # r\n", 2, "64 bits");
    expect_refused("[a]\nread arg0 == 0x # r\n", 2, "64 bits");
    expect_refused("[a]\nread arg0 == 12a # r\n", 2, "64 bits");
    expect_refused("[a]\nread arg0 & 1 != 1 # r\n", 2, "masked");
    expect_refused("[a]\nread arg0 == 1 and # r\n", 2, "64 bits");
    expect_refused("[a]\nread arg0 == 1 and arg0 == 2 # r\n", 2, "twice");
    expect_refused("[a]\nread arg0 x == 1 # r\n", 2, "is not argN");
}

std::vector<RolePolicy> own_policies(const char* libc) {
    std::stringstream text;
    for (const char* file : {"vcpu.policy", "vcpu_saved.policy", "io.policy", "io_plain.policy",
                             "main.policy", "setup.policy", "api.policy", libc})
        text << std::ifstream(std::string(POLICY_FOLDER "/") + file).rdbuf();
    return parse(text.str());
}

std::set<int> calls_of(const RolePolicy& role) {
    std::set<int> calls;
    for (const Rule& rule : role.rules) calls.insert(rule.number);
    return calls;
}

// It stays beneath theirs.
TEST(OwnPolicies, SetupAllowsEachCallOfTheThreadsThatItStarts) {
    for (const char* libc : {"glibc.policy", "musl.policy"}) {
        const auto roles = own_policies(libc);
        const auto allowed = calls_of(*std::ranges::find(roles, "setup", &RolePolicy::name));
        for (const RolePolicy& role : roles)
            for (const Rule& rule : role.rules)
                EXPECT_TRUE(role.name == "api" || allowed.contains(rule.number))
                    << role.name << " with " << libc << ": " << rule.call;
    }
}

// tests/native/filters.py takes a use of a vCPU's line for one of its double's.
TEST(OwnPolicies, VcpusOfAVmThatIsSavedDoAllThatOthersDo) {
    const auto roles = own_policies("musl.policy");
    const auto& all = std::ranges::find(roles, "vcpu-saved", &RolePolicy::name)->rules;
    for (const Rule& rule : std::ranges::find(roles, "vcpu", &RolePolicy::name)->rules)
        EXPECT_TRUE(std::ranges::any_of(all,
                                        [&](const Rule& its) {
                                            return its.number == rule.number &&
                                                   its.conditions == rule.conditions;
                                        }))
            << rule.call << " of line " << rule.line;
}

// The numbers that docs/system-calls.md promises.
TEST(OwnPolicies, AreShort) {
    const std::map<std::string, size_t> limits{{"vcpu", 12},     {"vcpu-saved", 12}, {"io", 18},
                                               {"io-plain", 20}, {"main", 19},       {"setup", 43},
                                               {"api", 34}};
    for (const char* libc : {"glibc.policy", "musl.policy"}) {
        const auto roles = own_policies(libc);
        ASSERT_EQ(roles.size(), limits.size());
        for (const RolePolicy& role : roles) {
            EXPECT_LE(calls_of(role).size(), limits.at(role.name)) << role.name << " with " << libc;
        }
    }
}

TEST(Compiler, RefusesWhatLibseccompRefuses) {
    const Rule rule{.call = "?", .number = -20000, .conditions = {}, .line = 7};
    const std::vector<RolePolicy> roles{{.name = "a", .rules = {rule}}};
    const auto compiled = compile(roles);
    ASSERT_FALSE(compiled.ok());
    EXPECT_EQ(compiled.error().value, 7U);
}

TEST(Compiler, ListsTheNamesOfCalls) {
    const std::string names = system_call_names();
    EXPECT_TRUE(names.starts_with(std::string_view("read\0write\0open\0", 16)));
    EXPECT_EQ(names.back(), '\0');
    EXPECT_NE(names[names.size() - 2], '\0');
}

}  // namespace
