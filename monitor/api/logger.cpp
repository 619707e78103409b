#include "monitor/api/logger.hpp"

Result<LoggerConfig> parse_logger(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    LoggerConfig logger;
    logger.path = TRY(parse_path(fields, "log_path"));
    logger.level = TRY(parse_word(fields, "level", kLevels));
    logger.shows_level = TRY(fields.boolean("show_level"));
    logger.shows_origin = TRY(fields.boolean("show_log_origin"));
    logger.module = TRY(fields.text("module"));
    TRY(fields.done());
    return logger;
}

void write_logger(const LoggerConfig& logger, JsonWriter& out) {
    const auto flag = [&out](const char* name, const std::optional<bool>& value) {
        value.has_value() ? out.boolean(name, *value) : out.null(name);
    };
    out.text_or_null("log_path", logger.path.value_or(""));
    out.text_or_null("level", logger.level.has_value() ? word_of(*logger.level, kLevels) : "");
    flag("show_level", logger.shows_level);
    flag("show_log_origin", logger.shows_origin);
    out.text_or_null("module", logger.module.value_or(""));
}

Result<HttpResponse> put_logger(const LoggerConfig& logger, Controller& controller) {
    if (const auto configured = controller.observation().configure_log(logger); !configured.ok())
        return said_of("log_path", configured.error());
    controller.settings().logger = logger;
    return HttpResponse{};
}
