#include "monitor/api/chunked_body.hpp"

#include <algorithm>
#include <charconv>

#include "monitor/api/http.hpp"

namespace {

constexpr std::string_view kLineEnd = "\r\n";

Error malformed(const char* why) {
    return {"chunked body", 0, why};
}

}  // namespace

Result<size_t> ChunkedBody::take(std::string_view received) {
    size_t taken = 0;
    while (!is_whole()) {
        const size_t size = TRY(take_part(received.substr(taken)));
        if (size == 0) break;
        taken += size;
    }
    return taken;
}

Result<size_t> ChunkedBody::take_part(std::string_view received) {
    if (part_ == Part::kSize || part_ == Part::kTrailers) return take_line(received);
    if (part_ == Part::kData) {
        const std::string_view data = received.substr(0, missing_bytes_);
        data_.append(data);
        missing_bytes_ -= data.size();
        if (missing_bytes_ == 0) part_ = Part::kDataEnd;
        return data.size();
    }
    if (!kLineEnd.starts_with(received.substr(0, kLineEnd.size())))
        return malformed("has a chunk that is longer than it says");
    if (received.size() < kLineEnd.size()) return size_t{0};
    part_ = Part::kSize;
    return kLineEnd.size();
}

Result<size_t> ChunkedBody::take_line(std::string_view received) {
    constexpr size_t kMostBytes = kMostExtraBytes + kLineEnd.size();
    const size_t size = received.substr(0, kMostBytes).find(kLineEnd);
    if (size == std::string_view::npos) {
        if (received.size() >= kMostBytes) return malformed("has a line that is too long");
        return size_t{0};
    }
    const std::string_view line = received.substr(0, size);
    if (part_ == Part::kSize)
        TRY(on_size(line));
    else
        TRY(on_trailer(line));
    return size + kLineEnd.size();
}

// chunk-size [ chunk-ext ]: what an extension says is passed over, but not where it begins.
Result<> ChunkedBody::on_size(std::string_view line) {
    constexpr int kHexadecimal = 16;
    const std::string_view digits = line.substr(0, line.find_first_of("; \t"));
    const size_t extension = line.find_first_not_of(" \t", digits.size());
    const auto* const last = digits.data() + digits.size();
    size_t size = 0;
    const auto [end, problem] = std::from_chars(digits.data(), last, size, kHexadecimal);
    const bool ends_well = digits == line || (extension != line.npos && line[extension] == ';');
    if (digits.empty() || problem != std::errc{} || end != last || !ends_well)
        return malformed("has a chunk whose size is no hexadecimal number");
    if (line.find_first_of("\r\n") != std::string_view::npos)
        return malformed("has a line with a bare CR or LF");
    TRY(count_extra(line.size() - digits.size()));
    if (size > max_bytes_ - data_.size())
        return malformed("is more than this API takes; see --http-api-max-payload-size");
    missing_bytes_ = size;
    part_ = size == 0 ? Part::kTrailers : Part::kData;
    return Ok{};
}

Result<> ChunkedBody::on_trailer(std::string_view line) {
    if (line.empty()) {
        part_ = Part::kNone;
        return Ok{};
    }
    TRY(count_extra(line.size() + kLineEnd.size()));
    const auto field = parse_http_field(line);
    return field.ok() ? Result<>(Ok{}) : field.error();
}

Result<> ChunkedBody::count_extra(size_t bytes) {
    extra_bytes_ += bytes;
    if (extra_bytes_ > kMostExtraBytes)
        return malformed("has more than 8192 bytes of extensions and trailers");
    return Ok{};
}
