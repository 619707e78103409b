#include <cstdlib>
#include <limits>

#include "base/options.hpp"
#include "rootfs/mkimage/makers.hpp"

Result<uint32_t> image_time() {
    constexpr const char* kName = "SOURCE_DATE_EPOCH";
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
    const char* const text = ::getenv(kName);
    if (text == nullptr) return 0;
    const auto number = parse_number(text, 0, std::numeric_limits<int32_t>::max());
    if (!number.ok()) return number.error().about(kName);
    return static_cast<uint32_t>(number.value());
}
