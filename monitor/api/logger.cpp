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
    if (logger.path.has_value()) out.text("log_path", *logger.path);
    if (logger.level.has_value()) out.text("level", word_of(*logger.level, kLevels));
    if (logger.shows_level.has_value()) out.boolean("show_level", *logger.shows_level);
    if (logger.shows_origin.has_value()) out.boolean("show_log_origin", *logger.shows_origin);
    if (logger.module.has_value()) out.text("module", *logger.module);
}

Result<HttpResponse> put_logger(const LoggerConfig& logger, Controller& controller) {
    if (const auto configured = controller.observation().configure_log(logger); !configured.ok())
        return said_of("log_path", configured.error());
    controller.settings().logger = logger;
    return HttpResponse{};
}
