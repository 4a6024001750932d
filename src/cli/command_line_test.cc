// The command line becomes the right command, and docs/options.md is what the table says today.
#include "cli/command_line.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "config/options.h"

namespace trv::cli {
namespace {

Command run(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "trivium");
  return parse(static_cast<int>(arguments.size()), arguments.data(), "1.2.3",
               [](const char*) { return nullptr; });
}

Print printed(std::vector<const char*> arguments) {
  Command command = run(std::move(arguments));
  auto* print = std::get_if<Print>(&command);
  return print != nullptr ? *print : Print{"(serve)", -1};
}

TEST(CommandLine, serves_with_flags) {
  Command command = run({"serve", "--data-dir", "there", "--shards=3", "--durability", "os"});
  auto* serve = std::get_if<Serve>(&command);
  ASSERT_NE(serve, nullptr);
  EXPECT_EQ(serve->config.data_dir, "there");
  EXPECT_EQ(serve->config.shards, 3);
  EXPECT_EQ(serve->config.durability, Durability::os);
}

TEST(CommandLine, prints_version_and_help) {
  EXPECT_EQ(printed({"--version"}).text, "trivium 1.2.3\n");
  EXPECT_EQ(printed({"--version"}).exit_code, 0);
  EXPECT_EQ(printed({"--help"}).exit_code, 0);
  Print help = printed({"serve", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const config::Option& option : config::options()) {
    EXPECT_NE(help.text.find("--" + std::string(option.name)), std::string::npos) << option.name;
  }
}

TEST(CommandLine, refuses_what_it_does_not_know) {
  for (std::vector<const char*> wrong : {std::vector<const char*>{},
                                         {"serve", "--prot", "1"},
                                         {"server"},
                                         {"serve", "--amqp-port", "x"},
                                         {"serve", "extra"},
                                         {"serve", "--amqp-port"}}) {
    Print print = printed(wrong);
    EXPECT_EQ(print.exit_code, 2) << print.text;
    EXPECT_EQ(print.text.rfind("trivium: ", 0), 0u) << print.text;
  }
  EXPECT_EQ(printed({"serve", "--amqp-port", "x"}).text,
            "trivium: --amqp-port: 'x' is not a number from 0 to 65535\n");
}

TEST(CommandLine, the_documentation_of_options_is_fresh) {
  std::ifstream file(TRV_SOURCE_DIR "/docs/options.md");
  std::stringstream page;
  page << file.rdbuf();
  EXPECT_EQ(page.str(), printed({"help-options", "--markdown"}).text)
      << "run: trivium help-options --markdown > docs/options.md";
}

}  // namespace
}  // namespace trv::cli
