#include "monitor/boot/aml.hpp"

#include <bit>
#include <cassert>
#include <cstring>

namespace {

static_assert(std::endian::native == std::endian::little, "integers are copied as they are");

// §20.2.3, §20.2.5: the opcodes that follow a name.
constexpr uint8_t kZeroOp = 0x00;
constexpr uint8_t kOneOp = 0x01;
constexpr uint8_t kNameOp = 0x08;
constexpr uint8_t kBytePrefix = 0x0a;
constexpr uint8_t kWordPrefix = 0x0b;
constexpr uint8_t kDWordPrefix = 0x0c;
constexpr uint8_t kStringPrefix = 0x0d;
constexpr uint8_t kQWordPrefix = 0x0e;
constexpr uint8_t kBufferOp = 0x11;
constexpr uint8_t kPackageOp = 0x12;

// §6.4: resource descriptor tags. A small one carries the length of what follows in bits 2:0; a
// large one has a 16-bit length after it.
constexpr uint8_t kIrqTag = 0x22;
constexpr uint8_t kIoPortTag = 0x47;
constexpr uint8_t kEndTag = 0x79;
constexpr uint8_t kMemory32FixedTag = 0x86;
constexpr uint8_t kExtendedInterruptTag = 0x89;
// Their fields.
constexpr uint8_t kDecode16 = 1;
constexpr uint8_t kFixedAlignment = 1;  // of a base that can not move
constexpr uint8_t kWritable = 1;
constexpr uint8_t kConsumer = 1 << 0;
constexpr uint8_t kEdge = 1 << 1;  // bits 2 (active low), 3 (shared) and 4 (wakes) stay clear

constexpr uint8_t low_byte(uint64_t value) {
    return static_cast<uint8_t>(value & 0xff);
}

// §20.2.3 ComputationalData: an integer in its shortest form.
struct IntegerForm {
    uint8_t op;
    size_t size_bytes;  // of the value after it
};
constexpr IntegerForm integer_form(uint64_t value) {
    if (value == 0) return {kZeroOp, 0};
    if (value == 1) return {kOneOp, 0};
    if (value <= UINT8_MAX) return {kBytePrefix, 1};
    if (value <= UINT16_MAX) return {kWordPrefix, 2};
    if (value <= UINT32_MAX) return {kDWordPrefix, 4};
    return {kQWordPrefix, 8};
}

}  // namespace

AmlPkgLength encode_pkg_length(size_t body_bytes) {
    // One byte holds six bits. In a longer form bits 7:6 of the first byte count the bytes after
    // it, its bits 3:0 are the lowest of the length, and each byte after it has the next eight.
    if (body_bytes < 63) return {{low_byte(body_bytes + 1)}, 1};
    for (size_t size = 2; size <= 4; ++size) {
        const size_t bits = 4 + 8 * (size - 1);
        if (body_bytes >= (size_t{1} << bits) - size) continue;
        const size_t length = body_bytes + size;
        AmlPkgLength encoded{{low_byte((size - 1) << 6 | (length & 0xf))}, size};
        for (size_t i = 1; i < size; ++i) encoded.bytes[i] = low_byte(length >> (8 * i - 4));
        return encoded;
    }
    return {};
}

void AmlWriter::name_integer(AmlName of, uint64_t value) {
    name(of);
    integer(value);
}

void AmlWriter::name_string(AmlName of, std::string_view value) {
    name(of);
    append({kStringPrefix});
    text(value);
    append({0});
}

void AmlWriter::name_package(AmlName of, std::initializer_list<uint64_t> integers) {
    assert(integers.size() <= UINT8_MAX);
    name(of);
    append({kPackageOp});
    const size_t package = size_;
    append({low_byte(integers.size())});
    for (const uint64_t value : integers) integer(value);
    close(package);
}

void AmlWriter::io_ports(uint16_t base, uint8_t count) {
    append({kIoPortTag, kDecode16});
    append_little_endian(base, 2);  // the lowest base
    append_little_endian(base, 2);  // and the highest
    append({kFixedAlignment, count});
}

void AmlWriter::isa_irq(uint32_t irq) {
    assert(irq < 16);
    append({kIrqTag});
    append_little_endian(uint64_t{1} << irq, 2);
}

void AmlWriter::memory32_fixed(uint32_t base, uint32_t size_bytes) {
    append({kMemory32FixedTag, 9, 0, kWritable});
    append_little_endian(base, 4);
    append_little_endian(size_bytes, 4);
}

void AmlWriter::interrupt(uint32_t gsi) {
    append({kExtendedInterruptTag, 6, 0, kConsumer | kEdge, 1});
    append_little_endian(gsi, 4);
}

Result<size_t> AmlWriter::finish() const {
    if (overflow_) return Error{"AML", ENOSPC, "the DSDT does not fit its buffer", to_.size()};
    return size_;
}

size_t AmlWriter::open_named(std::initializer_list<uint8_t> op, AmlName of) {
    append(op);
    const size_t package = size_;
    text(of.text());
    return package;
}

size_t AmlWriter::open_resources(AmlName of) {
    name(of);
    append({kBufferOp});
    return size_;
}

void AmlWriter::close_resources(size_t buffer) {
    // §6.4.2.9: a checksum of 0 stands for "not computed".
    append({kEndTag, 0});
    // BufferSize goes before the descriptors: its operator first, then the value behind that.
    const uint64_t size = size_ - buffer;
    const IntegerForm form = integer_form(size);
    insert(buffer, std::as_bytes(std::span(&form.op, 1)));
    insert(buffer + 1, std::as_bytes(std::span(&size, 1)).first(form.size_bytes));
    close(buffer);
}

void AmlWriter::close(size_t package) {
    const AmlPkgLength length = encode_pkg_length(size_ - package);
    if (length.size == 0) overflow_ = true;
    insert(package, std::as_bytes(std::span(length.bytes)).first(length.size));
}

void AmlWriter::name(AmlName of) {
    append({kNameOp});
    text(of.text());
}

void AmlWriter::integer(uint64_t value) {
    const IntegerForm form = integer_form(value);
    append({form.op});
    append_little_endian(value, form.size_bytes);
}

void AmlWriter::text(std::string_view chars) {
    insert(size_, std::as_bytes(std::span(chars)));
}

void AmlWriter::append_little_endian(uint64_t value, size_t size_bytes) {
    insert(size_, std::as_bytes(std::span(&value, 1)).first(size_bytes));
}

void AmlWriter::insert(size_t at, std::span<const std::byte> bytes) {
    if (overflow_ || bytes.size() > to_.size() - size_) {
        overflow_ = true;
        return;
    }
    const auto tail = to_.subspan(at);
    if (size_ > at) std::memmove(tail.data() + bytes.size(), tail.data(), size_ - at);
    if (!bytes.empty()) std::memcpy(tail.data(), bytes.data(), bytes.size());
    size_ += bytes.size();
}
