// Any bytes as a file of compiled filters: refused, or filters that the kernel may judge.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "monitor/sandbox/filters.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    static_cast<void>(Filters::parse({bytes.begin(), bytes.end()}).ok());
    return 0;
}
