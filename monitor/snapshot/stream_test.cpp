#include "monitor/snapshot/stream.hpp"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <initializer_list>

#include "monitor/snapshot/archive_fixture.hpp"

namespace {

using Number = FakeNumbers<1>;

constexpr size_t kHeader = 72;  // of the file
constexpr size_t kTag = 16;     // of a section, without its state
constexpr SectionTag kSerial("SERL");
constexpr SectionTag kVcpu("VCPU");
constexpr SectionTag kHint("HINT");

SnapshotHeader header() {
    return {.identity = {std::byte{0xaa}, std::byte{0xbb}}, .memory_bytes = 128 << 20};
}

std::vector<std::byte> finished(SnapshotWriter&& writer) {
    auto file = std::move(writer).finish();
    EXPECT_TRUE(file.ok()) << file.error().what;
    return file.value();
}

// A serial line, two vCPUs, and a section that may be skipped.
std::vector<std::byte> typical_file() {
    SnapshotWriter writer(header());
    writer.add(kVcpu, Number{{11}}, 1);
    writer.add(kSerial, busy_state());
    writer.add(kVcpu, Number{{10}}, 0);
    writer.add(kHint, FakeNumbers<2>{{1, 2}}, 0, Unknown::kSkipped);
    return finished(std::move(writer));
}

std::string line_of(const Error& error) {
    std::array<char, 256> line{};
    return {line.data(), format_error(error, line)};
}

// Why `file` is refused by who takes one serial line and as many vCPUs as there are; "" if not.
std::string refusal(std::span<const std::byte> file) {
    auto reader = SnapshotReader::open(file);
    if (!reader.ok()) return line_of(reader.error());
    const auto serial = reader.value().read<FakeState>(kSerial);
    if (!serial.ok()) return line_of(serial.error());
    const size_t vcpus = reader.value().count(kVcpu);
    for (uint16_t index = 0; index < vcpus; ++index) {
        const auto vcpu = reader.value().read<Number>(kVcpu, index);
        if (!vcpu.ok()) return line_of(vcpu.error());
    }
    const auto all = reader.value().expect_all_read();
    return all.ok() ? "" : line_of(all.error());
}

void put(std::vector<std::byte>& file, size_t at, const char* text) {
    std::memcpy(&file.at(at), text, std::strlen(text));
}

template <typename Value>
void put(std::vector<std::byte>& file, size_t at, Value value) {
    std::memcpy(&file.at(at), &value, sizeof value);
}

// A file of one section with a state of four bytes, then changed and sealed again.
template <typename Change>
std::string refusal_of_changed(const Change& change) {
    SnapshotWriter writer(header());
    writer.add(kVcpu, Number{{7}});
    auto file = finished(std::move(writer));
    EXPECT_EQ(file.size(), kHeader + kTag + 8 + kTag);
    change(file);
    seal_snapshot(file);
    const auto reader = SnapshotReader::open(file);
    return reader.ok() ? "" : line_of(reader.error());
}

TEST(Snapshot, WhatWasWrittenIsRead) {
    const auto file = typical_file();
    EXPECT_EQ(file.size() % 8, 0u);
    auto opened = SnapshotReader::open(file);
    ASSERT_TRUE(opened.ok()) << line_of(opened.error());
    SnapshotReader& reader = opened.value();

    EXPECT_EQ(reader.header().identity, header().identity);
    EXPECT_EQ(reader.header().memory_bytes, 128u << 20);
    EXPECT_EQ(reader.header().version, program_version());
    EXPECT_EQ(reader.count(kVcpu), 2u);
    EXPECT_EQ(reader.count(kSerial), 1u);
    EXPECT_EQ(reader.count(SectionTag("NONE")), 0u);
    EXPECT_TRUE(reader.has(kVcpu, 1));
    EXPECT_FALSE(reader.has(kVcpu, 2));
    EXPECT_FALSE(reader.has(SectionTag("END ")));

    EXPECT_EQ(reader.read<FakeState>(kSerial).value(), busy_state());
    EXPECT_EQ(reader.read<Number>(kVcpu, 0).value(), Number{{10}});
    EXPECT_EQ(reader.read<Number>(kVcpu, 1).value(), Number{{11}});
    EXPECT_TRUE(reader.expect_all_read().ok());
}

TEST(Snapshot, TheFormatStaysAsItIs) {
    SnapshotHeader of{.memory_bytes = 0x0807'0605'0403'0201, .version = "1.22.333"};
    for (size_t i = 0; i < of.identity.size(); ++i)
        of.identity[i] = static_cast<std::byte>('A' + i);
    SnapshotWriter writer(of);
    writer.add(kVcpu, FakeNumbers<3>{{0x4433'2211, 0, 0xffff'ffff}}, 0x0102, Unknown::kSkipped);
    const auto file = finished(std::move(writer));
    using namespace std::string_view_literals;
    constexpr std::string_view kExpected =
        "MAYFLYSS\x01\0\0\0\x01\0\0\0"
        "1.22.333\0\0\0\0\0\0\0\0"
        "\x78\0\0\0\0\0\0\0\x70"
        "\x76"
        "\xee"
        "\x1a"
        "\xbc"
        "\xc2"
        "\x48"
        "\xa3"
        "ABCDEFGHIJKLMNOP\x01\x02\x03\x04\x05\x06\x07\x08"
        "VCPU\x01\0\x02\x01\x0c\0\0\0\0\0\0\0"
        "\x11\x22\x33\x44\0\0\0\0\xff\xff\xff\xff\0\0\0\0"
        "END \0\0\0\0\0\0\0\0\0\0\0\0"sv;
    EXPECT_TRUE(std::ranges::equal(file, std::as_bytes(std::span(kExpected))));
}

TEST(Snapshot, EveryDamagedByteIsNoticed) {
    const auto file = typical_file();
    for (size_t at = 0; at < file.size(); ++at) {
        for (const int flip : {0x01, 0x10, 0x80, 0xff}) {
            auto damaged = file;
            damaged[at] ^= static_cast<std::byte>(flip);
            EXPECT_FALSE(SnapshotReader::open(damaged).ok()) << "byte " << at;
        }
    }
}

TEST(Snapshot, EveryCutIsNoticed) {
    const auto file = typical_file();
    for (size_t size = 0; size < file.size(); ++size) {
        const auto cut = std::span(file).first(size);
        EXPECT_FALSE(SnapshotReader::open(cut).ok()) << size << " bytes";
        std::vector<std::byte> sealed(cut.begin(), cut.end());
        seal_snapshot(sealed);
        EXPECT_FALSE(SnapshotReader::open(sealed).ok()) << size << " bytes, sealed";
    }
    auto longer = file;
    longer.resize(longer.size() + 8);
    EXPECT_EQ(refusal(longer),
              "snapshot's bytes 0x190: are not as many as it says: it is cut, or "
              "something is appended");
    seal_snapshot(longer);
    EXPECT_EQ(refusal(longer), "section END : section's header: has bytes behind it");
}

TEST(Snapshot, SaysWhatItIsNot) {
    const auto refused = [](size_t at, auto value) {
        return refusal_of_changed([&](auto& file) { put(file, at, value); });
    };
    EXPECT_EQ(refusal({}), "snapshot: is not one: it does not begin with MAYFLYSS");
    EXPECT_EQ(refused(0,
                      "\x7f"
                      "ELF"),
              "snapshot: is not one: it does not begin with MAYFLYSS");
    EXPECT_EQ(refused(8, uint32_t{2}), "snapshot's format 0x2: is not 1, which this release reads");
    EXPECT_EQ(refused(12, uint32_t{2}), "snapshot's architecture 0x2: is not 1, x86_64");
    EXPECT_EQ(refused(16, "1\n"), "snapshot's version: is not printable text, padded with zeroes");
    EXPECT_EQ(refused(31, "x"), "snapshot's version: is not printable text, padded with zeroes");
}

// The checksum is right in these: somebody made them.
TEST(Snapshot, SectionsThatNoWriterMakesAreRefused) {
    const auto refused = [](size_t at, auto value) {
        return refusal_of_changed([&](auto& file) { put(file, kHeader + at, value); });
    };
    EXPECT_EQ(refused(0, uint64_t{0}),
              "snapshot: has a section whose tag is not of four characters");
    EXPECT_EQ(refused(4, uint16_t{2}), "section VCPU: section's header: has unknown flags");
    for (const uint64_t bytes : {uint64_t{25}, uint64_t{1} << 32, ~uint64_t{0}, ~uint64_t{0} - 7})
        EXPECT_EQ(refused(8, bytes),
                  "section VCPU: section's header: is of a section that is longer than the file");
    EXPECT_EQ(refused(8, uint64_t{24}), "snapshot: does not end with the section that ends it");
    EXPECT_EQ(refused(kTag + 7, uint8_t{1}),
              "section VCPU: section's header: is of a section whose padding is not zero");
    constexpr size_t kEndAt = kTag + 8;
    constexpr const char* kMore =
        "section END : section's header: says more than that the file ends";
    EXPECT_EQ(refused(kEndAt + 4, uint16_t{1}), kMore);
    EXPECT_EQ(refused(kEndAt + 8, uint64_t{8}), kMore);
    EXPECT_EQ(refused(kEndAt + 6, uint16_t{1}),
              "section END  1: section's header: says more than that the file ends");
    EXPECT_EQ(refused(kEndAt, "LAST"), "snapshot: does not end with the section that ends it");
    EXPECT_EQ(refused(0, "END "), kMore);
    EXPECT_EQ(refused(5, uint8_t{0x80}), "section VCPU: section's header: has unknown flags");
}

TEST(Snapshot, OneSectionIsNotTwo) {
    SnapshotWriter writer(header());
    for (uint16_t index = 0; index < 3; ++index) writer.add(kVcpu, Number{{index}}, index);
    auto file = finished(std::move(writer));
    put(file, kHeader + 2 * (kTag + 8) + 6, uint16_t{1});
    seal_snapshot(file);
    EXPECT_EQ(refusal(file), "section VCPU 1: is there twice");
}

TEST(Snapshot, HasSoManySectionsAtMost) {
    const auto file_of = [](uint16_t sections) {
        SnapshotWriter writer(header());
        for (uint16_t index = 0; index < sections; ++index) writer.add(kVcpu, Number{}, index);
        return std::move(writer).finish();
    };
    constexpr const char* kRefused = "section VCPU 256: is one more than a file may have";
    EXPECT_EQ(line_of(file_of(257).error()), kRefused);

    auto file = file_of(256).value();
    EXPECT_EQ(SnapshotReader::open(file).value().count(kVcpu), 256u);
    const std::vector<std::byte> last_and_end(file.end() - 2 * kTag - 8, file.end());
    file.resize(file.size() - kTag);
    put(file, file.size() - kTag - 8 + 6, uint16_t{300});
    file.insert(file.end(), last_and_end.begin(), last_and_end.end());
    seal_snapshot(file);
    EXPECT_EQ(refusal(file), "section VCPU 255: is one more than a file may have");
}

TEST(Snapshot, NobodyWritesWhatNobodyReads) {
    const auto refused = [](const auto& write, const SnapshotHeader& of = header()) {
        SnapshotWriter writer(of);
        write(writer);
        writer.add(kHint, Number{});
        const auto file = std::move(writer).finish();
        return file.ok() ? "" : line_of(file.error());
    };
    const auto nothing = [](SnapshotWriter&) {};
    EXPECT_EQ(refused(nothing), "");
    EXPECT_EQ(refused([](auto& writer) {
                  writer.add(kVcpu, Number{}, 1);
                  writer.add(kVcpu, Number{}, 1);
              }),
              "section VCPU 1: is written twice");
    EXPECT_EQ(refused([](auto& writer) { writer.add(SectionTag("END "), Number{}); }),
              "section END : is written twice");
    EXPECT_EQ(refused([](auto& writer) {
                  writer.add(kSerial, FakeState{.name = "a name that is long"});
              }),
              "section SERL: state: has more elements than a field may have");
    EXPECT_EQ(refused(nothing, {.version = "0.123456789012345"}),
              "version: is not of 16 printable characters at most");
    EXPECT_EQ(refused(nothing, {.version = "0.12345678901234"}), "");
}

TEST(Snapshot, ASectionIsReadOnce) {
    const auto file = typical_file();
    auto reader = SnapshotReader::open(file).value();
    EXPECT_TRUE(reader.read<Number>(kVcpu, 1).ok());
    EXPECT_EQ(line_of(reader.read<Number>(kVcpu, 1).error()), "section VCPU 1: is read twice");
    EXPECT_EQ(line_of(reader.read<Number>(kVcpu, 2).error()), "section VCPU 2: is missing");
    EXPECT_EQ(line_of(reader.read<Number>(SectionTag("NONE")).error()), "section NONE: is missing");
}

TEST(Snapshot, AnErrorInAStateNamesItsSection) {
    const auto file = typical_file();
    auto reader = SnapshotReader::open(file).value();
    EXPECT_EQ(line_of(reader.read<FakeNumbers<2>>(kSerial).error()),
              "section SERL: at byte 0x8: holds more than this release knows");
    EXPECT_EQ(line_of(reader.read<FakeState>(kVcpu, 1).error()),
              "section VCPU 1: at byte 0x1: ends inside a field");
}

TEST(Snapshot, WhatIsUnknownIsSkippedIfItSaysSo) {
    const auto with = [](SectionTag tag, uint16_t index, Unknown unknown) {
        SnapshotWriter writer(header());
        writer.add(SectionTag("AAAA"), Number{}, 0, Unknown::kSkipped);
        writer.add(tag, Number{}, index, unknown);
        writer.add(kSerial, FakeState{});
        writer.add(kVcpu, Number{});
        return refusal(finished(std::move(writer)));
    };
    EXPECT_EQ(with(SectionTag("NEWS"), 0, Unknown::kSkipped), "");
    EXPECT_EQ(with(SectionTag("NEWS"), 0, Unknown::kRefused),
              "section NEWS: is unknown: a newer release wrote it, or it is one too many");
    EXPECT_EQ(with(kSerial, 5, Unknown::kRefused),
              "section SERL 5: is unknown: a newer release wrote it, or it is one too many");
}

TEST(Snapshot, AStateOfAnotherReleaseIsReadOrRefused) {
    SnapshotWriter writer(header());
    writer.add(kVcpu, FakeNumbers<2>{{5, 6}});
    const auto file = finished(std::move(writer));
    const auto read_as = [&]<typename State>(State) {
        return SnapshotReader::open(file).value().read<State>(kVcpu);
    };
    EXPECT_EQ(read_as(FakeNumbers<3>{}).value(), (FakeNumbers<3>{{5, 6, 0}}));
    EXPECT_EQ(line_of(read_as(FakeNumbers<1>{}).error()),
              "section VCPU: at byte 0x4: holds more than this release knows");
}

TEST(Snapshot, WithNothingInItIsOne) {
    const auto file = finished(SnapshotWriter(header()));
    EXPECT_EQ(file.size(), kHeader + kTag);
    auto reader = SnapshotReader::open(file);
    ASSERT_TRUE(reader.ok());
    EXPECT_TRUE(reader.value().expect_all_read().ok());
}

}  // namespace
