// The commands of rabbitmqctl about runtime parameters, global ones, and the name of the cluster.
#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "cli/rabbitmqctl_call.h"

namespace trv::cli {

namespace {

namespace json = boost::json;

std::string path_of_parameter(const CtlCall& call) {
  return fmt::format("parameters/{}/{}/{}", path_part(call.words[0]), path_part(call.vhost),
                     path_part(call.words[1]));
}

void put(CtlCall& call, const std::string& path, const std::string& text) {
  boost::system::error_code failed;
  const json::value value = json::parse(text, failed);
  if (failed) return call.fail(exit_unavailable, "JSON decoding error. Reason: badarg");
  call.change("PUT", path, json::serialize(json::object{{"value", value}}));
}

void clear(CtlCall& call, const std::string& path) {
  const Result<HttpAnswer> answer = call.ask("DELETE", path);
  if (!answer || answer->status / 100 == 2) return;
  if (answer->status == 404) return call.fail(exit_unavailable, "Parameter does not exist");
  call.fail_with(*answer);
}

void set_parameter(CtlCall& call) {
  call.say(fmt::format(
      "Setting runtime parameter \"{}\" for component \"{}\" to \"{}\" in vhost \"{}\" ...",
      call.words[1], call.words[0], call.words[2], call.vhost));
  put(call, path_of_parameter(call), call.words[2]);
}

void clear_parameter(CtlCall& call) {
  call.say(fmt::format("Clearing runtime parameter \"{}\" for component \"{}\" on vhost \"{}\" ...",
                       call.words[1], call.words[0], call.vhost));
  clear(call, path_of_parameter(call));
}

void set_global_parameter(CtlCall& call) {
  call.say(fmt::format("Setting global runtime parameter \"{}\" to \"{}\" ...", call.words[0],
                       call.words[1]));
  put(call, "global-parameters/" + path_part(call.words[0]), call.words[1]);
}

void clear_global_parameter(CtlCall& call) {
  call.say(fmt::format("Clearing global runtime parameter \"{}\" ...", call.words[0]));
  clear(call, "global-parameters/" + path_part(call.words[0]));
}

void set_cluster_name(CtlCall& call) {
  call.say(fmt::format("Setting cluster name to {} ...", call.words[0]));
  call.change("PUT", "cluster-name", json::serialize(json::object{{"name", call.words[0]}}));
}

constexpr CtlCommand commands[] = {
    {"set_parameter", 3, 3, "", "COMPONENT NAME VALUE", set_parameter},
    {"clear_parameter", 2, 2, "", "COMPONENT NAME", clear_parameter},
    {"set_global_parameter", 2, 2, "", "NAME VALUE", set_global_parameter},
    {"clear_global_parameter", 1, 1, "", "NAME", clear_global_parameter},
    {"set_cluster_name", 1, 1, "", "NAME", set_cluster_name},
};

}  // namespace

std::span<const CtlCommand> parameter_commands() { return commands; }

}  // namespace trv::cli
