#include "monitor/api/json.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

namespace {

Error of_type(const char* name, const char* wanted) {
    return {name, 0, wanted};
}

// The library's parser goes down one call for each level.
bool is_deeper_than(std::string_view text, int most) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string && c == '\\')
            ++i;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            ++depth;
        else if (!in_string && (c == '}' || c == ']'))
            --depth;
        if (depth > most) return true;
    }
    return false;
}

template <typename T>
Result<T> required(const char* name, Result<std::optional<T>> field) {
    if (!field.ok()) return field.error();
    if (!field.value().has_value()) return Error{name, 0, "is missing"};
    return std::move(*field.value());
}

}  // namespace

void seed_json() {
    size_t seed = 0;
    // Zero would ask it to draw one.
    if (::getrandom(&seed, sizeof(seed), 0) != sizeof(seed) || seed == 0) seed = 1;
    json_object_seed(seed);
}

Result<> JsonDocument::parse(std::string_view text) {
    if (is_deeper_than(text, kMostDepth))
        return Error{"JSON", 0, "has more than 8 objects and arrays inside each other"};
    root_.reset(json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, &problem_));
    if (root_ == nullptr) return Error{"JSON", 0, problem_.text};
    if (!json_is_object(root_.get())) return Error{"JSON", 0, "is not an object"};
    return Ok{};
}

Result<JsonFields> JsonFields::of(const json_t* value, const char* name) {
    if (!json_is_object(value)) return of_type(name, "is not an object");
    return JsonFields{value};
}

const json_t* JsonFields::find(const char* name) {
    known_.push_back(name);
    const json_t* const value = json_object_get(object_, name);
    return json_is_null(value) ? nullptr : value;
}

Result<std::optional<std::string>> JsonFields::text(const char* name) {
    const json_t* const value = find(name);
    if (value == nullptr) return std::optional<std::string>{};
    if (!json_is_string(value)) return of_type(name, "is not a string");
    return std::optional(std::string(json_string_value(value), json_string_length(value)));
}

Result<std::optional<bool>> JsonFields::boolean(const char* name) {
    const json_t* const value = find(name);
    if (value == nullptr) return std::optional<bool>{};
    if (!json_is_boolean(value)) return of_type(name, "is neither true nor false");
    return std::optional(json_is_true(value));
}

Result<std::optional<uint64_t>> JsonFields::number(const char* name, uint64_t least,
                                                   uint64_t most) {
    const json_t* const value = find(name);
    if (value == nullptr) return std::optional<uint64_t>{};
    if (!json_is_integer(value)) return of_type(name, "is not a whole number");
    const json_int_t number = json_integer_value(value);
    if (number < 0 || static_cast<uint64_t>(number) < least) return of_type(name, "is too small");
    if (static_cast<uint64_t>(number) > most) return of_type(name, "is too large");
    return std::optional(static_cast<uint64_t>(number));
}

Result<const json_t*> JsonFields::object(const char* name) {
    const json_t* const value = find(name);
    if (value != nullptr && !json_is_object(value)) return of_type(name, "is not an object");
    return value;
}

Result<const json_t*> JsonFields::array(const char* name) {
    const json_t* const value = find(name);
    if (value != nullptr && !json_is_array(value)) return of_type(name, "is not an array");
    return value;
}

Result<std::string> JsonFields::required_text(const char* name) {
    return required(name, text(name));
}

Result<bool> JsonFields::required_boolean(const char* name) {
    return required(name, boolean(name));
}

Result<uint64_t> JsonFields::required_number(const char* name, uint64_t least, uint64_t most) {
    return required(name, number(name, least, most));
}

Result<> JsonFields::done() const {
    // The library's iterators want an object that is not const, and do not change it.
    auto* const object = const_cast<json_t*>(object_);
    for (void* at = json_object_iter(object); at != nullptr;
         at = json_object_iter_next(object, at)) {
        const char* const name = json_object_iter_key(at);
        const bool is_known = std::ranges::any_of(
            known_, [name](const char* known) { return std::strcmp(known, name) == 0; });
        if (!is_known) return Error{"is no field of this request"}.about(name);
    }
    return Ok{};
}

JsonValue make_object() {
    return JsonValue(json_object());
}

void set_value(json_t* object, const char* name, JsonValue value) {
    json_object_set_new_nocheck(object, name, value.release());
}

void set_text(json_t* object, const char* name, std::string_view text) {
    set_value(object, name, JsonValue(json_stringn(text.data(), text.size())));
}

void set_number(json_t* object, const char* name, uint64_t number) {
    set_value(object, name, JsonValue(json_integer(static_cast<json_int_t>(number))));
}

void set_boolean(json_t* object, const char* name, bool value) {
    set_value(object, name, JsonValue(json_boolean(value)));
}

std::string to_text(const json_t* value) {
    std::string text;
    const auto append = [](const char* bytes, size_t size, void* to) {
        static_cast<std::string*>(to)->append(bytes, size);
        return 0;
    };
    json_dump_callback(value, append, &text, JSON_COMPACT | JSON_ENSURE_ASCII);
    return text;
}
