// Any bytes as a snapshot's state file, its length and checksum made right: refused, or a machine's
// state that is written again as it was read.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/fuzz_script.hpp"
#include "monitor/machine/machine_state.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    std::vector<std::byte> file(bytes.begin(), bytes.end());
    seal_snapshot(file);
    auto reader = SnapshotReader::open(file);
    if (!reader.ok()) return 0;
    const auto state = decode(reader.value());
    if (!state.ok()) return 0;
    const auto written = encode(state.value(), reader.value().header().identity);
    check(written.ok());
    auto again = SnapshotReader::open(written.value());
    check(again.ok());
    const auto same = decode(again.value());
    check(same.ok());
    check(encode(same.value(), again.value().header().identity).value() == written.value());
    return 0;
}
