// resp: builders of the commands on hyperloglogs.
#include "resp/cmd_support.hpp"

namespace redoubt::cmd {

Command<bool> pfadd(std::string_view of_key, std::string_view element) {
    return build<bool>(spec_of("PFADD"), key(of_key), text(element));
}
Command<bool> pfadd(std::string_view of_key, TextList elements) {
    return build_of_texts<bool>(spec_of("PFADD"), of_key, elements);
}
Command<bool> pfadd(std::string_view of_key, TextBraces elements) { return pfadd(of_key, list_of(elements)); }
Command<std::int64_t> pfcount(std::string_view of_key) { return build<std::int64_t>(spec_of("PFCOUNT"), key(of_key)); }
Command<std::int64_t> pfcount(TextList keys) { return build_of_keys<std::int64_t>(spec_of("PFCOUNT"), keys); }
Command<std::int64_t> pfcount(TextBraces keys) { return pfcount(list_of(keys)); }
Command<Ok> pfmerge(std::string_view destination, TextList sources) {
    auto command = build<Ok>(spec_of("PFMERGE"), key(destination), Argument::keys(sources));
    if (sources.empty()) command.set_invalid("it needs at least one source");
    return command;
}
Command<Ok> pfmerge(std::string_view destination, TextBraces sources) { return pfmerge(destination, list_of(sources)); }

}  // namespace redoubt::cmd
