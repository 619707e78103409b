#include "monitor/boot/acpi.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "monitor/memory/layout.hpp"

namespace {

constexpr size_t kRsdp = 0xe0000;

// The bytes of `numbers`, each of its own size, as they lie in memory.
template <typename... Integers>
std::string packed(Integers... numbers) {
    std::string all;
    const auto append = [&](auto number) {
        for (size_t i = 0; i < sizeof(number); ++i)
            all.push_back(static_cast<char>(number >> (8 * i) & 0xff));
    };
    (append(numbers), ...);
    return all;
}

// Guest RAM with the tables in it, read as a kernel does: by the offsets of ACPI 6.4.
class Tables {
public:
    explicit Tables(const PlatformDevices& devices) {
        EXPECT_TRUE(write_acpi_tables(GuestMemory(ram_), devices).ok());
    }

    uint64_t number(size_t at, size_t size) const {
        uint64_t value = 0;
        for (size_t i = 0; i < size; ++i)
            value |= std::to_integer<uint64_t>(ram_.at(at + i)) << (8 * i);
        return value;
    }
    uint8_t u8(size_t at) const { return static_cast<uint8_t>(number(at, 1)); }
    uint16_t u16(size_t at) const { return static_cast<uint16_t>(number(at, 2)); }
    uint32_t u32(size_t at) const { return static_cast<uint32_t>(number(at, 4)); }
    uint64_t u64(size_t at) const { return number(at, 8); }
    std::string bytes(size_t at, size_t length) const {
        std::string chars;
        for (size_t i = 0; i < length; ++i) chars.push_back(static_cast<char>(u8(at + i)));
        return chars;
    }
    uint8_t sum(size_t at, size_t length) const {
        unsigned total = 0;
        for (size_t i = 0; i < length; ++i) total += u8(at + i);
        return static_cast<uint8_t>(total);
    }

    // Where the tables are, found from the RSDP on.
    size_t xsdt() const { return u64(0xe0000 + 24); }
    size_t fadt() const { return u64(xsdt() + 36); }
    size_t madt() const { return u64(xsdt() + 44); }
    size_t dsdt() const { return u64(fadt() + 140); }
    // A whole table, header and all.
    std::string table(size_t at) const { return bytes(at, u32(at + 4)); }

    const std::vector<std::byte>& ram() const { return ram_; }

private:
    std::vector<std::byte> ram_ = std::vector<std::byte>(1 << 20);
};

class AcpiTest : public testing::TestWithParam<PlatformDevices> {
protected:
    Tables tables_{GetParam()};
};

TEST_P(AcpiTest, RootPointer) {
    EXPECT_EQ(tables_.bytes(kRsdp, 8), "RSD PTR ");
    EXPECT_EQ(tables_.sum(kRsdp, 20), 0);
    EXPECT_EQ(tables_.bytes(kRsdp + 9, 6), "MAYFLY");
    EXPECT_EQ(tables_.u8(kRsdp + 15), 2);
    EXPECT_EQ(tables_.u32(kRsdp + 16), 0u);  // no RSDT
    EXPECT_EQ(tables_.u32(kRsdp + 20), 36u);
    EXPECT_EQ(tables_.sum(kRsdp, 36), 0);
}

TEST_P(AcpiTest, HeadersAndChecksums) {
    // Signature, revision, OEM ids, sum, alignment.
    const auto header = [this](size_t at) {
        return std::tuple(tables_.bytes(at, 4), int{tables_.u8(at + 8)}, tables_.bytes(at + 10, 14),
                          int{tables_.sum(at, tables_.u32(at + 4))}, at % 8);
    };
    const std::string oem = "MAYFLYMAYFLYVM";
    EXPECT_EQ(header(tables_.xsdt()), std::tuple("XSDT", 1, oem, 0, 0u));
    EXPECT_EQ(header(tables_.fadt()), std::tuple("FACP", 6, oem, 0, 0u));
    EXPECT_EQ(header(tables_.madt()), std::tuple("APIC", 5, oem, 0, 0u));
    EXPECT_EQ(header(tables_.dsdt()), std::tuple("DSDT", 2, oem, 0, 0u));
    EXPECT_EQ(tables_.u32(tables_.xsdt() + 4), 36u + 2 * 8);
}

// Two guest pages in all: the tables' first and the RSDP's.
TEST_P(AcpiTest, NothingOutsideItsPlace) {
    std::vector<std::byte> ram = tables_.ram();
    const auto begin = ram.begin();
    std::fill(begin + 0xa0000, begin + 0xa1000, std::byte{0});
    std::fill(begin + 0xe0000, begin + 0xe0024, std::byte{0});
    EXPECT_TRUE(ram == std::vector<std::byte>(ram.size()));
}

TEST_P(AcpiTest, Fadt) {
    const size_t at = tables_.fadt();
    EXPECT_EQ(tables_.u32(at + 4), 276u);
    EXPECT_EQ(tables_.u32(at + 36), 0u);  // FIRMWARE_CTRL
    EXPECT_EQ(tables_.u32(at + 40), tables_.dsdt());
    EXPECT_EQ(tables_.bytes(at + 44, 65), std::string(65, '\0'));  // no fixed hardware
    // No VGA, MSI, RTC; an 8042 if there is a keyboard.
    EXPECT_EQ(tables_.u16(at + 109), GetParam().keyboard ? 0x2e : 0x2c);
    // Hardware-reduced, headless, with a reset register and without fixed buttons and RTC.
    EXPECT_EQ(tables_.u32(at + 112), 0x101475u);
    EXPECT_EQ(tables_.u8(at + 131), 4);    // 6.4
    EXPECT_EQ(tables_.u64(at + 132), 0u);  // X_FIRMWARE_CTRL
    EXPECT_EQ(tables_.bytes(at + 148, 96), std::string(96, '\0'));
    EXPECT_EQ(tables_.bytes(at + 268, 8), "MAYFLYVM");
}

// A byte of I/O space each, and what to write for a reset.
TEST_P(AcpiTest, FadtRegisters) {
    const size_t at = tables_.fadt();
    const auto port = [](uint64_t number) {
        return packed(uint8_t{1}, uint8_t{8}, uint8_t{0}, uint8_t{1}, number);
    };
    EXPECT_EQ(tables_.bytes(at + 116, 12), port(0x64));
    EXPECT_EQ(tables_.u8(at + 128), 0xfe);
    EXPECT_EQ(tables_.bytes(at + 244, 12), port(0x600));
    EXPECT_EQ(tables_.bytes(at + 256, 12), port(0x601));
}

TEST_P(AcpiTest, Madt) {
    const auto vcpus = static_cast<uint8_t>(GetParam().vcpus);
    // The local APICs' address, and no flags: no dual 8259.
    std::string expected = packed(0xfee00000u, 0u);
    for (uint8_t id = 0; id < vcpus; ++id)  // type 0, 8 bytes, UID, APIC id, enabled
        expected += packed(uint8_t{0}, uint8_t{8}, id, id, 1u);
    // Type 1, 12 bytes, an id that is no processor's, address, GSI base.
    expected += packed(uint8_t{1}, uint8_t{12}, vcpus, uint8_t{0}, 0xfec00000u, 0u);
    // Type 4, 6 bytes, all processors, bus defaults, LINT1.
    expected += packed(uint8_t{4}, uint8_t{6}, uint8_t{0xff}, uint16_t{0}, uint8_t{1});
    EXPECT_EQ(tables_.table(tables_.madt()).substr(36), expected);
}

TEST_P(AcpiTest, SleepType) {
    using namespace std::string_literals;
    const std::string dsdt = tables_.table(tables_.dsdt());
    EXPECT_TRUE(dsdt.ends_with("\x08_S5_\x12\x07\x04\x0a\x05\0\0\0"s));
}

// A command's output and exit status. The commands are literals with a path of mkdtemp in them.
struct Outcome {
    int status;
    std::string output;
};
Outcome run(const std::string& command) {
    FILE* const pipe = ::popen((command + " 2>&1 </dev/null").c_str(), "r");
    if (pipe == nullptr) return {-1, {}};
    Outcome outcome{};
    std::array<char, 4096> chunk{};
    while (const size_t got = std::fread(chunk.data(), 1, chunk.size(), pipe))
        outcome.output.append(chunk.data(), got);
    outcome.status = ::pclose(pipe);
    return outcome;
}

std::string contents(const std::string& path) {
    std::string all;
    FILE* const file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) return all;
    std::array<char, 4096> chunk{};
    while (const size_t got = std::fread(chunk.data(), 1, chunk.size(), file))
        all.append(chunk.data(), got);
    std::fclose(file);
    return all;
}

size_t count(std::string_view text, std::string_view of) {
    size_t found = 0;
    for (size_t at = text.find(of); at != std::string_view::npos; at = text.find(of, at + 1))
        ++found;
    return found;
}

bool put(const std::string& path, std::string_view bytes) {
    FILE* const file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) return false;
    const bool whole = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
    return std::fclose(file) == 0 && whole;
}

// How often iasl finds fault, in its messages or in comments in what it disassembled.
size_t complaints(std::string_view text) {
    size_t found = 0;
    for (const char* word : {"rror", "arning", "nvalid", "ncorrect", "nknown", "****"})
        found += count(text, word);
    return found;
}

// The tables as the reference implementation of ACPI understands them.
class IaslTest : public AcpiTest {
protected:
    void SetUp() override {
        if (run("iasl -v").status != 0)
            GTEST_SKIP() << "iasl is not installed (package acpica-tools)";
        std::string name = testing::TempDir() + "mayfly-acpi-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory_ = name;
    }
    void TearDown() override {
        if (!directory_.empty()) std::filesystem::remove_all(directory_);
    }

    static size_t keyboards() { return GetParam().keyboard ? 1 : 0; }

    // The disassembly of a table, after checking that iasl had nothing to say against it.
    std::string disassembled(const std::string& name, const std::string& table) const {
        const std::string path = directory_ + "/" + name;
        EXPECT_TRUE(put(path + ".dat", table));
        const Outcome outcome = run("iasl -d " + path + ".dat");
        EXPECT_EQ(outcome.status, 0) << outcome.output;
        std::string source = contents(path + ".dsl");
        EXPECT_FALSE(source.empty()) << outcome.output;
        EXPECT_EQ(complaints(outcome.output), 0u) << outcome.output;
        EXPECT_EQ(complaints(source), 0u) << source;
        return source;
    }

    std::string directory_;
};

TEST_P(IaslTest, DsdtHasTheSerialPorts) {
    const uint32_t ports = GetParam().serial_ports;
    const std::string source = disassembled("dsdt", tables_.table(tables_.dsdt()));
    EXPECT_EQ(count(source, "Device (COM1)"), 1u);
    EXPECT_EQ(count(source, "Device (COM2)"), ports - 1);
    EXPECT_EQ(count(source, "EisaId (\"PNP0501\")"), ports);
    EXPECT_EQ(count(source, "IO (Decode16,"), ports + 2 * keyboards());
    EXPECT_EQ(count(source, "0x03F8,             // Range Minimum"), 1u);
    EXPECT_EQ(count(source, "IRQNoFlags ()\n                    {4}"), 1u);
    EXPECT_EQ(count(source, "IRQNoFlags ()\n                    {3}"), ports - 1);
    EXPECT_EQ(count(source, "Method ("), 0u);
}

TEST_P(IaslTest, DsdtHasTheKeyboard) {
    const std::string source = disassembled("dsdt", tables_.table(tables_.dsdt()));
    EXPECT_EQ(count(source, "EisaId (\"PNP0303\")"), keyboards());
    EXPECT_EQ(count(source, "0x0060,             // Range Minimum"), keyboards());
    EXPECT_EQ(count(source, "0x0064,             // Range Minimum"), keyboards());
    EXPECT_EQ(count(source, "IRQNoFlags ()\n                    {1}"), keyboards());
}

TEST_P(IaslTest, DsdtHasTheVirtioSlots) {
    const std::string source = disassembled("dsdt", tables_.table(tables_.dsdt()));
    const uint32_t slots = GetParam().virtio_devices;
    EXPECT_EQ(count(source, "Device ("), GetParam().serial_ports + keyboards() + slots);
    EXPECT_EQ(count(source, "Name (_HID, \"LNRO0005\")"), slots);
    EXPECT_EQ(count(source, "Name (_CCA, One)"), slots);
    EXPECT_EQ(count(source, "Memory32Fixed (ReadWrite,"), slots);
    EXPECT_EQ(count(source, "(ResourceConsumer, Edge, ActiveHigh, Exclusive, ,, )"), slots);
}

// Name, number, window and GSI of each, in this order.
TEST_P(IaslTest, DsdtHasEachSlotsResources) {
    const std::string source = disassembled("dsdt", tables_.table(tables_.dsdt()));
    const uint32_t slots = GetParam().virtio_devices;
    size_t at = 0;
    for (uint32_t slot = 0; slot < slots; ++slot) {
        std::array<char, 32> text{};
        const auto find_next = [&](const char* format, uint32_t number) {
            std::snprintf(text.data(), text.size(), format, number);
            at = std::min(source.find(text.data(), at), source.size());
        };
        find_next("Device (VD%02u)", slot);
        find_next(slot == 0   ? "Name (_UID, Zero)"
                  : slot == 1 ? "Name (_UID, One)"
                              : "Name (_UID, 0x%02X)",
                  slot);
        find_next("0x%08X,         // Addr", 0xc0001000 + slot * 4096);
        find_next("0x00001000,         // Addr", 0);
        find_next("0x%08X,\n", 5 + slot);
        ASSERT_LT(at, source.size()) << "no " << text.data() << " in\n" << source;
    }
}

// What we write is what the reference compiler makes of its source: no odd encodings.
TEST_P(IaslTest, DsdtRecompilesToTheSameBytes) {
    const std::string table = tables_.table(tables_.dsdt());
    disassembled("dsdt", table);
    const Outcome outcome = run("iasl -oa -p " + directory_ + "/again " + directory_ + "/dsdt.dsl");
    EXPECT_NE(outcome.output.find("0 Errors, 0 Warnings, 0 Remarks"), std::string::npos)
        << outcome.output;
    const std::string again = contents(directory_ + "/again.aml");
    ASSERT_EQ(again.size(), table.size());
    EXPECT_TRUE(again.substr(36) == table.substr(36));  // the compiler signs the header
}

TEST_P(IaslTest, TheOtherTablesDisassembleCleanly) {
    const std::string fadt = disassembled("facp", tables_.table(tables_.fadt()));
    EXPECT_EQ(count(fadt, "Hardware Reduced (V5) : 1"), 1u);
    EXPECT_EQ(count(fadt, "Reset Register Supported (V2) : 1"), 1u);
    EXPECT_EQ(count(fadt, "8042 Present on ports 60/64 (V2) : 1"), keyboards());
    const std::string madt = disassembled("apic", tables_.table(tables_.madt()));
    EXPECT_EQ(count(madt, "[Processor Local APIC]"), GetParam().vcpus);
    EXPECT_EQ(count(madt, "[I/O APIC]"), 1u);
    EXPECT_EQ(count(madt, "[Local APIC NMI]"), 1u);
    disassembled("xsdt", tables_.table(tables_.xsdt()));
}

const auto kMachines = testing::Values(
    PlatformDevices{1, 0}, PlatformDevices{1, 1}, PlatformDevices{2, 3}, PlatformDevices{32, 0},
    PlatformDevices{32, layout::kMaxVirtioDevices}, PlatformDevices{1, 1, 2},
    PlatformDevices{1, 1, 1, true}, PlatformDevices{32, layout::kMaxVirtioDevices, 2, true});
std::string machine_name(const testing::TestParamInfo<PlatformDevices>& info) {
    return std::to_string(info.param.vcpus) + "vcpus" + std::to_string(info.param.virtio_devices) +
           "devices" + std::to_string(info.param.serial_ports) + "ports" +
           (info.param.keyboard ? "keyboard" : "");
}
INSTANTIATE_TEST_SUITE_P(Machines, AcpiTest, kMachines, machine_name);
INSTANTIATE_TEST_SUITE_P(Machines, IaslTest, kMachines, machine_name);

int error_code(std::vector<std::byte>& ram, const PlatformDevices& devices) {
    const auto result = write_acpi_tables(GuestMemory(ram), devices);
    return result.ok() ? 0 : result.error().code;
}

TEST(Acpi, RefusesNumbersThatDoNotFit) {
    std::vector<std::byte> ram(1 << 20);
    EXPECT_EQ(error_code(ram, {0, 1}), EINVAL);
    EXPECT_EQ(error_code(ram, {33, 1}), EINVAL);
    EXPECT_EQ(error_code(ram, {UINT32_MAX, 1}), EINVAL);
    EXPECT_EQ(error_code(ram, {1, layout::kMaxVirtioDevices + 1}), EINVAL);
    EXPECT_EQ(error_code(ram, {1, UINT32_MAX}), EINVAL);
    EXPECT_TRUE(ram == std::vector<std::byte>(ram.size()));
}

TEST(Acpi, RamThatEndsTooSoonIsAnError) {
    for (const size_t size : {0x1000u, 0xa0000u, 0xa0100u, 0xe0000u, 0xe0023u}) {
        std::vector<std::byte> ram(size);
        EXPECT_EQ(error_code(ram, {1, 1}), EFAULT) << size;
    }
    std::vector<std::byte> ram(0xe0024);
    EXPECT_EQ(error_code(ram, {1, 1}), 0);
}

}  // namespace
