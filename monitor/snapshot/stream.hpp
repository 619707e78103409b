// A snapshot's state file: a header, sections of one state each, and a checksum over all of it
// (docs/snapshots.md has it byte by byte). What is in a section is archive.hpp's.
//
// A reader checks the whole file before anything of it is used, and trusts nothing: the checksum
// finds damage, not malice.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "monitor/snapshot/archive.hpp"

// The four characters that say what a section is of: SectionTag("SERL").
class SectionTag {
public:
    constexpr SectionTag() = default;
    // NOLINTNEXTLINE(*-avoid-c-arrays): so that a literal of another length does not compile
    consteval explicit SectionTag(const char (&text)[5])
        : text_{text[0], text[1], text[2], text[3]} {}

    constexpr std::string_view text() const { return {text_.data(), text_.size()}; }
    bool operator==(const SectionTag&) const = default;

private:
    std::array<char, 4> text_{};
};

// What a reader does with a section that it does not know.
enum class Unknown : uint8_t { kRefused, kSkipped };

// This program's version, as --version says it.
std::string_view program_version();

// The error, said of a section: "section SERL: ..."; with its index, unless that is 0.
Error about_section(const Error& error, SectionTag tag, uint16_t index);

struct SnapshotHeader {
    std::array<std::byte, 16> identity{};  // of the pair: this file and the one of guest memory
    uint64_t memory_bytes = 0;
    std::string version{program_version()};  // of the program that wrote; at most 16 characters
};

// Any thread, one at a time.
class SnapshotWriter {
public:
    explicit SnapshotWriter(const SnapshotHeader& header);

    // `index`: which one, where there are several (a vCPU's number). What is wrong with a state, or
    // with two of the same tag and index, finish() tells.
    template <typename State>
    void add(SectionTag tag, const State& state, uint16_t index = 0,
             Unknown unknown = Unknown::kRefused) {
        put(tag, index, unknown, Encoder::encode(state));
    }

    // The whole file. Errors: a state that no reader would take.
    Result<std::vector<std::byte>> finish() &&;

private:
    void put(SectionTag tag, uint16_t index, Unknown unknown,
             const Result<std::vector<std::byte>>& payload);

    std::vector<std::byte> file_;
    std::vector<std::pair<SectionTag, uint16_t>> added_;
    Result<> outcome_ = Ok{};
};

// Any thread, one at a time.
class SnapshotReader {
public:
    // `file`: all of it. It outlives the reader, and nobody changes it meanwhile: a copy, not a
    // shared mapping of a file that others may write. Errors: it is no snapshot's, of another
    // format, damaged, or cut.
    static Result<SnapshotReader> open(std::span<const std::byte> file);

    const SnapshotHeader& header() const { return header_; }
    bool has(SectionTag tag, uint16_t index = 0) const;
    // How many sections of that tag there are.
    size_t count(SectionTag tag) const;

    // The state of a section, each at most once. Errors name the section: it is missing, has been
    // read, or is not such a state. What the state means is for its owner to check.
    template <typename State>
    Result<State> read(SectionTag tag, uint16_t index = 0) {
        const auto payload = TRY(take(tag, index));
        auto state = Decoder::decode<State>(payload);
        if (!state.ok()) return about_section(state.error(), tag, index);
        return state;
    }

    // Call it when all that is known has been read. Errors: a section is left that must not be
    // skipped; it is named.
    Result<> expect_all_read() const;

private:
    struct Section {
        SectionTag tag;
        uint16_t index = 0;
        Unknown unknown = Unknown::kRefused;
        bool is_read = false;
        std::span<const std::byte> payload;
    };

    SnapshotReader() = default;

    Result<> read_header(std::span<const std::byte> file);
    Result<> find_sections(std::span<const std::byte> sections);
    const Section* find(SectionTag tag, uint16_t index) const;
    Result<std::span<const std::byte>> take(SectionTag tag, uint16_t index);

    SnapshotHeader header_;
    std::vector<Section> sections_;
};

// Writes a file's length and checksum into its header: a writer's last step, and that of a test
// which makes files that only a hostile hand would. Of fewer bytes than a header: nothing.
void seal_snapshot(std::span<std::byte> file);
