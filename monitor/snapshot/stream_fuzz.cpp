// Any bytes as a snapshot's state file: refused, or a state in each section that can be written
// again, and is then read as the same.
//
// The first byte says what the others are: 0 a file as it is; 1 a file whose length and checksum
// are made right first, as a hostile hand would; 2 the bytes of one state.
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/fuzz_script.hpp"
#include "monitor/snapshot/archive_fixture.hpp"
#include "monitor/snapshot/stream.hpp"

namespace {

constexpr SectionTag kSerial("SERL");
constexpr SectionTag kVcpu("VCPU");

// A state that could be read can be written, and what is written is read as the same.
template <typename State>
std::vector<std::byte> written_again(const State& state) {
    auto bytes = Encoder::encode(state);
    check(bytes.ok());
    const auto again = Decoder::decode<State>(bytes.value());
    check(again.ok());
    check(Encoder::encode(again.value()).value() == bytes.value());
    return std::move(bytes).value();
}

template <typename State>
void try_state(std::span<const std::byte> bytes) {
    const auto state = Decoder::decode<State>(bytes);
    if (state.ok()) return static_cast<void>(written_again(state.value()));
    check(state.error().value.value() <= bytes.size());
}

// Returns how many have such a state.
template <typename State>
size_t copy_sections(SnapshotReader& from, SectionTag tag, SnapshotWriter& to) {
    size_t copied = 0;
    const size_t count = from.count(tag);
    for (uint16_t index = 0; index < count; ++index) {
        const auto state = from.read<State>(tag, index);
        check(!from.read<State>(tag, index).ok());  // each once
        if (!state.ok()) continue;
        check(from.has(tag, index));
        to.add(tag, state.value(), index);
        ++copied;
    }
    return copied;
}

void try_file(std::span<const std::byte> file) {
    auto opened = SnapshotReader::open(file);
    if (!opened.ok()) return;
    SnapshotReader& reader = opened.value();
    static_cast<void>(reader.expect_all_read().ok());
    SnapshotWriter writer(reader.header());
    const size_t serials = copy_sections<FakeState>(reader, kSerial, writer);
    const size_t vcpus = copy_sections<FakeNumbers<2>>(reader, kVcpu, writer);

    const auto copy = std::move(writer).finish();
    check(copy.ok());
    const auto again = SnapshotReader::open(copy.value());
    check(again.ok());
    check(again.value().header().identity == reader.header().identity);
    check(again.value().header().version == reader.header().version);
    check(again.value().count(kSerial) == serials && again.value().count(kVcpu) == vcpus);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
    std::vector<std::byte> copy(bytes.begin(), bytes.end());
    switch (data[0] % 3) {
        case 1:
            seal_snapshot(copy);
            [[fallthrough]];
        case 0:
            try_file(copy);
            break;
        default:
            try_state<FakeState>(copy);
            try_state<FakeNumbers<2>>(copy);
    }
    return 0;
}
