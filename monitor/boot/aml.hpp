// AML, the byte code inside ACPI tables: a writer for the few terms that our DSDT consists of.
//
// ACPI 6.4 §20.2 (grammar), §6.4 (resource descriptors). It writes into its caller's buffer and
// allocates nothing; every call writes one complete term, so that what comes out is well-formed.
// What does not fit is dropped and remembered: finish() says so. Lives on the stack of the main
// thread while the tables are built.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "base/result.hpp"

// §20.2.2 NameSeg: four characters of A-Z, 0-9 and _, the first no digit. Checked when compiled.
class AmlName {
public:
    // Implicit on purpose: aml.device("COM1", ...).
    consteval AmlName(const char (&literal)[5]) {
        for (size_t i = 0; i < text_.size(); ++i) {
            const char c = literal[i];
            const bool lead = (c >= 'A' && c <= 'Z') || c == '_';
            if (!lead && (i == 0 || c < '0' || c > '9')) is_not_a_name_seg();
            text_[i] = c;
        }
    }

    // The name with its last two characters replaced by `number` modulo 100, in decimal.
    constexpr AmlName numbered(uint32_t number) const {
        AmlName name = *this;
        name.text_[2] = static_cast<char>('0' + number / 10 % 10);
        name.text_[3] = static_cast<char>('0' + number % 10);
        return name;
    }

    constexpr std::string_view text() const { return {text_.data(), text_.size()}; }

private:
    static void is_not_a_name_seg() {}  // not constexpr: calling it ends the compilation

    std::array<char, 4> text_{};
};

// §6.1.5 _HID: an EISA id ("PNP0501") as the integer that stands for it: three letters of five
// bits, four hexadecimal digits, most significant byte first in memory.
consteval uint32_t eisa_id(const char (&id)[8]) {
    uint32_t value = 0;
    for (size_t i = 0; i < 3; ++i) value = value << 5 | static_cast<uint32_t>(id[i] - '@');
    for (size_t i = 3; i < 7; ++i)
        value = value << 4 | static_cast<uint32_t>(id[i] <= '9' ? id[i] - '0' : id[i] - 'A' + 10);
    return __builtin_bswap32(value);
}

// §20.2.4 PkgLength: one to four bytes that count themselves and the body after them.
struct AmlPkgLength {
    std::array<uint8_t, 4> bytes{};
    size_t size = 0;  // of `bytes` used; 0 if the body is too long for any PkgLength
};
AmlPkgLength encode_pkg_length(size_t body_bytes);

class AmlWriter {
public:
    explicit AmlWriter(std::span<std::byte> to) : to_(to) {}

    // §20.2.5.1 DefScope, §20.2.5.2 DefDevice; `body` writes what is inside.
    template <typename Body>
    void scope(AmlName name, Body body) {
        const size_t package = open_named({0x10}, name);
        body();
        close(package);
    }
    template <typename Body>
    void device(AmlName name, Body body) {
        const size_t package = open_named({0x5b, 0x82}, name);
        body();
        close(package);
    }

    // §20.2.5.1 DefName, by the kind of its object. A string is ASCII without NUL (§20.2.3).
    void name_integer(AmlName name, uint64_t value);
    void name_string(AmlName name, std::string_view value);
    void name_package(AmlName name, std::initializer_list<uint64_t> integers);

    // A DefName of a resource template (§6.4); `body` writes its descriptors.
    template <typename Body>
    void name_resources(AmlName name, Body body) {
        const size_t buffer = open_resources(name);
        body();
        close_resources(buffer);
    }

    // §6.4.2.5 I/O Port: `count` ports from `base`, all 16 address bits decoded.
    void io_ports(uint16_t base, uint8_t count);
    // §6.4.2.1 IRQ without its information byte: edge-triggered, active high, exclusive. 0..15.
    void isa_irq(uint32_t irq);
    // §6.4.3.4 32-Bit Fixed Memory Range, writable.
    void memory32_fixed(uint32_t base, uint32_t size_bytes);
    // §6.4.3.6 Extended Interrupt, consumed by the device: edge-triggered, active high, exclusive.
    void interrupt(uint32_t gsi);

    // Bytes written. Errors: ENOSPC, when the buffer was too small or a package too long.
    Result<size_t> finish() const;

private:
    size_t open_named(std::initializer_list<uint8_t> op, AmlName name);
    size_t open_resources(AmlName name);
    void close_resources(size_t buffer);
    // Puts the PkgLength before the body that began at `package`.
    void close(size_t package);

    void name(AmlName name);
    void integer(uint64_t value);
    void text(std::string_view chars);
    void append(std::initializer_list<uint8_t> bytes) {
        insert(size_, std::as_bytes(std::span(bytes.begin(), bytes.size())));
    }
    // The low `size_bytes` of `value`, at most eight.
    void append_little_endian(uint64_t value, size_t size_bytes);
    void insert(size_t at, std::span<const std::byte> bytes);

    std::span<std::byte> to_;
    size_t size_ = 0;
    bool overflow_ = false;
};
