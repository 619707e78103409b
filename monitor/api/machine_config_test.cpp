#include "monitor/api/machine_config.hpp"

#include <gtest/gtest.h>

#include "monitor/api/document_test.hpp"

namespace {

constexpr auto& kWhole = parse_whole_machine;
constexpr auto& kChange = parse_machine_change;

Config machine_of(const std::string& text) {
    Config config;
    apply(parsed(kWhole, text), config);
    return config;
}

TEST(MachineDocument, GoesBothWays) {
    for (const char* const text :
         {"{\"vcpu_count\":1,\"mem_size_mib\":2,\"smt\":false,\"track_dirty_pages\":false,"
          "\"huge_pages\":\"None\",\"pmu\":true}",
          "{\"vcpu_count\":32,\"mem_size_mib\":1048576,\"smt\":true,\"track_dirty_pages\":false,"
          "\"huge_pages\":\"None\",\"nested\":true}",
          "{\"vcpu_count\":1,\"mem_size_mib\":2,\"smt\":false,\"track_dirty_pages\":false,"
          "\"huge_pages\":\"2M\",\"cpu_template\":\"T2\"}"}) {
        const Config config = machine_of(text);
        EXPECT_EQ(written([&](JsonWriter& out) { write_machine(config, out); }), text);
    }
    const Config config = machine_of("{\"vcpu_count\":2,\"mem_size_mib\":3,\"smt\":true}");
    EXPECT_EQ(config.shape.vcpus, 2U);
    EXPECT_EQ(config.shape.memory_bytes, 3U << 20);
    EXPECT_EQ(config.shape.threads_per_core, 2U);
}

TEST(MachineDocument, HasLimits) {
    const auto with = [](const char* vcpus, const char* memory) {
        return complaint(
            kWhole, std::string("{\"vcpu_count\":") + vcpus + ",\"mem_size_mib\":" + memory + "}");
    };
    EXPECT_EQ(with("0", "128"), "vcpu_count: is too small");
    EXPECT_EQ(with("33", "128"), "vcpu_count: is too large");
    EXPECT_EQ(with("-1", "128"), "vcpu_count: is negative");
    EXPECT_EQ(with("4294967297", "128"), "vcpu_count: is too large");
    EXPECT_EQ(with("1", "0"), "mem_size_mib: is too small");
    EXPECT_EQ(with("1", "1"), "mem_size_mib: is too small");
    EXPECT_EQ(with("1", "1048577"), "mem_size_mib: is too large");
    EXPECT_EQ(with("1", "17592186044416"), "mem_size_mib: is too large");
    EXPECT_EQ(with("1", "128.0"), "mem_size_mib: is not a whole number of 64 bits");
}

// Whoever wants to be told so gets it accepted: Controller::accept_absent().
TEST(MachineDocument, SaysWhatIsAskedForAndAbsent) {
    const std::string start = "{\"vcpu_count\":1,\"mem_size_mib\":128";
    for (const char* const field :
         {"\"track_dirty_pages\":false", "\"cpu_template\":\"None\"", "\"huge_pages\":\"None\"",
          "\"track_dirty_pages\":null", "\"cpu_template\":null", "\"huge_pages\":null"})
        EXPECT_TRUE(parsed(kWhole, start + "," + field + "}").absent.empty()) << field;
    for (const auto& [field, value] :
         {std::pair{"track_dirty_pages", "true"}, {"cpu_template", "\"T2S\""}}) {
        const MachineChange change = parsed(kWhole, object_with(start, field, value));
        ASSERT_EQ(change.absent.size(), 1U) << field;
        EXPECT_STREQ(change.absent[0].what, field);
        EXPECT_TRUE(std::string_view(change.absent[0].hint).starts_with("can only be ")) << field;
    }
    for (const char* const value : {"\"\"", "\"T3\"", "\"2m\"", "1"})
        for (const char* const field : {"cpu_template", "huge_pages"})
            EXPECT_NE(complaint(kWhole, object_with(start, field, value)), "none") << value;
    EXPECT_EQ(complaint(kWhole, object_with(start, "ht_enabled", "true")),
              "ht_enabled: is no field of this request");
}

TEST(MachineDocument, AsAWholeIsWhole) {
    EXPECT_EQ(complaint(kWhole, "{}"), "vcpu_count: is missing");
    EXPECT_EQ(complaint(kWhole, "{\"vcpu_count\":1}"), "mem_size_mib: is missing");
    EXPECT_EQ(complaint(kWhole, "{\"vcpu_count\":null,\"mem_size_mib\":2}"),
              "vcpu_count: is missing");
    Config config;
    config.shape.threads_per_core = 2;
    apply(parsed(kWhole, "{\"vcpu_count\":1,\"mem_size_mib\":2}"), config);
    EXPECT_EQ(config.shape.threads_per_core, 1U);
}

TEST(MachineDocument, AsAChangeLeavesTheRest) {
    Config config = machine_of("{\"vcpu_count\":4,\"mem_size_mib\":64,\"smt\":true}");
    apply(parsed(kChange, "{\"mem_size_mib\":32}"), config);
    EXPECT_EQ(config.shape.vcpus, 4U);
    EXPECT_EQ(config.shape.memory_bytes, 32U << 20);
    EXPECT_EQ(config.shape.threads_per_core, 2U);
    apply(parsed(kChange, "{\"smt\":false}"), config);
    EXPECT_EQ(config.shape.threads_per_core, 1U);
    apply(parsed(kChange, "{\"vcpu_count\":3}"), config);
    EXPECT_EQ(config.shape.vcpus, 3U);
}

TEST(MachineDocument, GivesTheGuestItsExtrasWhereTheyAreAskedFor) {
    const auto extras = [](const Config& config) {
        return std::pair{config.shape.extras.nested, config.shape.extras.pmu};
    };
    Config config = machine_of("{\"vcpu_count\":1,\"mem_size_mib\":2}");
    EXPECT_EQ(extras(config), std::pair(false, false));
    apply(parsed(kChange, "{\"nested\":true,\"pmu\":true}"), config);
    EXPECT_EQ(extras(config), std::pair(true, true));
    apply(parsed(kChange, "{\"smt\":true}"), config);
    EXPECT_EQ(extras(config), std::pair(true, true));
    apply(parsed(kChange, "{\"nested\":false}"), config);
    EXPECT_EQ(extras(config), std::pair(false, true));
    apply(parsed(kWhole, "{\"vcpu_count\":1,\"mem_size_mib\":2}"), config);
    EXPECT_EQ(extras(config), std::pair(false, false));
    EXPECT_NE(complaint(kChange, "{\"pmu\":\"yes\"}"), "none");
}

TEST(MachineDocument, ChoosesRamAndProcessor) {
    Config config = machine_of("{\"vcpu_count\":1,\"mem_size_mib\":2}");
    apply(parsed(kChange, "{\"cpu_template\":\"T2\",\"huge_pages\":\"2M\"}"), config);
    EXPECT_EQ(config.shape.cpu_template, CpuTemplate::kT2);
    EXPECT_EQ(config.host.ram_pages, RamPages::kHuge);
    apply(parsed(kChange, "{\"smt\":true}"), config);
    EXPECT_EQ(config.shape.cpu_template, CpuTemplate::kT2);
    EXPECT_EQ(config.host.ram_pages, RamPages::kHuge);
    apply(parsed(kChange, "{\"cpu_template\":\"None\",\"huge_pages\":\"None\"}"), config);
    EXPECT_EQ(config.shape.cpu_template, CpuTemplate::kNone);
    EXPECT_EQ(config.host.ram_pages, RamPages::kOrdinary);
    apply(parsed(kChange, "{\"cpu_template\":\"T2\",\"huge_pages\":\"2M\"}"), config);
    apply(parsed(kWhole, "{\"vcpu_count\":1,\"mem_size_mib\":2}"), config);
    EXPECT_EQ(config.shape.cpu_template, CpuTemplate::kNone);
    EXPECT_EQ(config.host.ram_pages, RamPages::kOrdinary);
}

TEST(MachineDocument, AsAChangeChangesSomething) {
    EXPECT_EQ(complaint(kChange, "{}"), "Empty PATCH request.");
    EXPECT_EQ(complaint(kChange, "{\"smt\":null,\"vcpu_count\":null}"), "Empty PATCH request.");
    EXPECT_EQ(complaint(kChange, "{\"track_dirty_pages\":false}"), "none");
    EXPECT_EQ(complaint(kChange, "{\"vcpus\":1}"), "vcpus: is no field of this request");
}

}  // namespace
