"""Proves of every check that it passes what is right and finds what is wrong.

How: each case writes a small tree into a temporary folder and runs one check over it."""
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import formatting  # noqa: E402
import generated  # noqa: E402
import headers  # noqa: E402
import layers  # noqa: E402
import mutants  # noqa: E402
import run  # noqa: E402
import sizes  # noqa: E402
import source  # noqa: E402
import statics  # noqa: E402
import words  # noqa: E402

LAYERS = """
base:
model: base
runtime: base
broker: base model runtime
amqp: base model broker
amqp/wire: base
redis: base model broker
server: *
only boost/asio: runtime
"""


class CheckTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="trivium-check-")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def findings(self, check, files):
        """What `check` says of a tree of just these files; only its cache stays from call to call."""
        for old in list(self.root.iterdir()):
            if old.name == ".cache":
                continue
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for path, text in files.items():
            self.write(path, text)
        return [str(f) for f in check(source.Tree(self.root))]

    def assert_clean(self, check, files):
        self.assertEqual(self.findings(check, files), [])

    def assert_finds(self, check, files, *expected):
        found = self.findings(check, files)
        self.assertEqual(len(found), len(expected), found)
        for part, line in zip(expected, found):
            self.assertIn(part, line)


class LayersTest(CheckTest):
    def test_listed_pairs_pass(self):
        self.assert_clean(layers.check, {
            "tools/layers.txt": LAYERS,
            "src/broker/a.h": '#include "base/x.h"\n#include "model/y.h"\n#include <string>\n',
            "src/amqp/wire/c.h": '#include "base/x.h"\n#include "amqp/wire/d.h"\n',
            "src/amqp/s.h": '#include "amqp/wire/c.h"\n',
            "src/runtime/core.cc": "#include <boost/asio/post.hpp>\n",
            "src/server/main.cc": '#include "redis/listener.h"\n',
        })

    def test_upward_sideways_and_around(self):
        for path, target, part in (
                ("src/model/a.h", "broker/b.h", "model may not include broker"),
                ("src/amqp/a.h", "redis/b.h", "amqp may not include redis"),
                ("src/amqp/a.h", "runtime/b.h", "amqp may not include runtime"),
                ("src/amqp/wire/a.h", "amqp/session.h", "amqp/wire may not include amqp"),
                ("src/amqp/wire/a.h", "model/m.h", "amqp/wire may not include model"),
                ("src/new/a.h", "base/b.h", "folder is not in"),
                ("src/amqp/a.h", "stuff/b.h", "is in no folder"),
                ("src/broker/a.h", "model/detail/b.h", "belongs to model")):
            with self.subTest(path=path, target=target):
                self.assert_finds(layers.check, {"tools/layers.txt": LAYERS,
                                                 path: f'\n#include "{target}"\n'}, f"{path}:2: ")
                self.assert_finds(layers.check, {"tools/layers.txt": LAYERS,
                                                 path: f'#include "{target}"\n'}, part)

    def test_detail_is_open_to_its_own_folder(self):
        self.assert_clean(layers.check, {"tools/layers.txt": LAYERS,
                                         "src/model/a.cc": '#include "model/detail/b.h"\n'})

    def test_restricted_package(self):
        self.assert_finds(layers.check, {"tools/layers.txt": LAYERS,
                                         "src/broker/a.cc": "#include <boost/asio.hpp>\n"},
                          "boost/asio is for runtime only")

    def test_links_follow_the_same_list(self):
        self.assert_finds(layers.check, {
            "tools/layers.txt": LAYERS,
            "src/model/CMakeLists.txt": "trv_module(model DEPS trv_base)\n",
            "src/amqp/CMakeLists.txt": "trv_module(amqp DEPS trv_base trv_redis)\n",
        }, "amqp may not link redis")

    def test_no_rules_is_a_finding(self):
        self.assert_finds(layers.check, {"src/base/a.h": "\n"}, "is missing")


class SizesTest(CheckTest):
    def test_limits(self):
        body = "void f() {\n" + "  g();\n" * 69 + "}\n"   # 71 lines
        ok = "void f() {\n" + "  g();\n" * 68 + "}\n"     # 70 lines
        self.assert_clean(sizes.check, {"src/a.cc": ok, "src/b.h": "//\n" * 600})
        self.assert_finds(sizes.check, {"src/a.cc": body, "src/b.h": "//\n" * 601,
                                        "src/b_test.cc": "//\n" * 900, "src/c.gen.h": "//\n" * 900},
                          "f: 71 lines", "601 lines")

    def test_functions_in_classes_and_with_member_initialisers(self):
        long_body = "  g();\n" * 70
        self.assert_finds(sizes.check, {
            "src/a.h": "namespace a {\nclass A : B<int> {\n public:\n  A(int x = {}) : x_{x}, y_(1) {\n"
                       + long_body + "  }\n  int x_{0};\n};\n}\n",
            "src/b.cc": "template <class T = std::vector<int>>\nT B::get(T t) const noexcept {\n"
                        "  auto f = [](int i) {\n    return i;\n  };\n" + long_body + "}\n",
        }, "A: 72 lines", "B::get: 76 lines")

    def test_tables_are_not_functions(self):
        self.assert_clean(sizes.check,
                          {"src/a.cc": "constexpr Row rows[] = {\n" + "  {1, f(2)},\n" * 100 + "};\n"})


class StaticsTest(CheckTest):
    def test_constants_and_declarations_pass(self):
        self.assert_clean(statics.check, {"src/a.cc": """
            namespace trv {
            constexpr int a = 1;
            inline constexpr std::string_view b{"x"};
            constinit std::atomic<bool> c{false};
            extern const int d;
            using T = std::vector<int>;
            int f(int a, std::string b = "x");
            std::string g();
            template <class T> T load(const char* p);
            template <> struct X<int>;
            struct P; enum class E : char;
            enum class Q : int { a, b };
            bool operator==(const P&, const P&);
            static_assert(1 == 1);
            class A { int x = 0; static int y(); static constexpr int z = 1; A() = default; };
            void h() {
              static constexpr int k = 1;
              static const Table t = make();
              static Logger* const l = new Logger;
              int local = 2;
            }
            template <class F> concept Callable = requires(F f) { f(); };
            }
            """})

    def test_each_kind_of_variable(self):
        for text in ("std::string name = \"x\";", "std::vector<int> v;", "static bool done = add();",
                     "int counter;", "const std::regex r(\"a\");", "Registry registry{1, 2};",
                     "thread_local int depth = 0;", "std::map<int, Row> Table::rows = make();",
                     "namespace { Row row{}; }", "class A { inline static std::string s; };",
                     "void f() { static std::mutex m; }",
                     "void f() {\n  static int calls = 0;\n}", "__attribute__((constructor)) void f();",
                     "int numbers[3] = {1, 2, 3};", "char* p = nullptr;"):
            with self.subTest(text=text):
                found = self.findings(statics.check, {"src/a.cc": text.replace("{ static", "{\nstatic")})
                self.assertEqual(len(found), 1, found)

    def test_tests_are_exempt(self):
        self.assert_clean(statics.check, {"src/a_test.cc": "std::string s;\n"})


class WordsTest(CheckTest):
    def test_header_rules(self):
        self.assert_clean(words.check, {"src/base/a.h": "// About.\n#pragma once\n",
                                        "src/base/a.cc": "using namespace std;\n"})
        self.assert_finds(words.check, {"src/base/a.h": "#pragma once\nusing namespace std;\n",
                                        "src/base/b.h": "int f();\n"}, "no `using namespace`", "#pragma once")

    def test_locks_have_folders(self):
        for line in ("std::mutex m;", "std::atomic<int> a;", "#include <mutex>", "std::atomic_flag f;",
                     "std::lock_guard<M> l(m);", "__atomic_load_n(p, 0);"):
            with self.subTest(line=line):
                self.assert_clean(words.check, {"src/runtime/a.cc": line, "src/io/a.cc": line,
                                                "src/metrics/a.cc": line, "src/model/a_test.cc": line})
                self.assert_finds(words.check, {"src/model/a.cc": line}, "no locks or atomics")
        self.assert_clean(words.check, {"src/model/a.cc": '// std::mutex\nauto s = "std::mutex";\n'})

    def test_time_comes_from_runtime(self):
        for line in ("boost::asio::steady_timer t(c);", "std::this_thread::sleep_for(x);",
                     "auto n = std::chrono::system_clock::now();", "::time(nullptr);", "usleep(3);"):
            with self.subTest(line=line):
                self.assert_clean(words.check, {"src/runtime/a.cc": line})
                self.assert_finds(words.check, {"src/broker/a.cc": line}, "time and timers")
        self.assert_clean(words.check, {"src/broker/a.cc": "co_await core.sleep(delay);\nframe.time();\n"})

    def test_todo_and_skips_name_issues(self):
        self.assert_clean(words.check, {"src/base/a.cc": "// TODO(#12): more\n",
                                        "src/base/a_test.cc": 'GTEST_SKIP() << "#12";\n',
                                        "tests/a.py": '@pytest.mark.skip(reason="#3")\n'})
        self.assert_finds(words.check, {"src/base/a.cc": "// TODO: more\n",
                                        "src/base/a_test.cc": "TEST(A, DISABLED_b) {}\n",
                                        "tests/a.py": "@pytest.mark.xfail\n"},
                          "has an issue", "skipped test", "skipped test")

    def test_no_machine_paths(self):
        self.assert_finds(words.check, {"docs/a.md": "see /ro" "ot/x\n", "src/base/a.cc": "// ok\n"},
                          "one machine only")


class MutantsTest(CheckTest):
    ROW = '[[mutant]]\nname = "forgets"\nbreaks = "x"\ntests = [{}]\n'
    FILES = {
        "src/base/mutant.h": "#define TRV_MUTANT(name) false\n",
        "src/io/a.cc": "if (TRV_MUTANT(forgets)) return;  // not TRV_MUTANT(this)\n",
        "src/io/a_test.cc": "TEST_P(Any,\n       Thing) {}\n",
        "tests/golden/amqp/b.txt": "",
        "tests/clients/test_c.py": "def test_d(broker):\n    pass\n",
        mutants.TABLE: ROW.format('"unit io_test Io/Any.Thing/posix", "golden b.txt", "client clients/test_c.py::test_d"'),
    }

    def test_sources_and_table_agree(self):
        self.assert_clean(mutants.check, self.FILES)
        self.assert_clean(mutants.check, {"src/io/a.cc": "int f();\n"})

    def test_names_that_do_not_match(self):
        self.assert_finds(mutants.check, {**self.FILES, "src/io/b.cc": "TRV_MUTANT(other)\n"},
                          f"src/io/b.cc:1: mutant other has no row in {mutants.TABLE}")
        self.assert_finds(mutants.check, {**self.FILES, "src/io/a.cc": "\n"}, "no source plants forgets")
        self.assert_finds(mutants.check, {**self.FILES, "src/io/b.cc": "TRV_MUTANT(forgets)\n"}, "planted twice")
        self.assert_finds(mutants.check, {**self.FILES, "src/io/a.cc": "", "src/io/b.h": "\nTRV_MUTANT(forgets)\n"},
                          "src/io/b.h:2: a mutant belongs into a source")
        self.assert_finds(mutants.check, {**self.FILES, mutants.TABLE: 2 * self.FILES[mutants.TABLE]}, "several rows",
                          "several rows")

    def test_rows_without_tests(self):
        for test in ("unit io_test Any.Other", "unit base_test Any.Thing", "golden c.txt", "client clients/test_c.py::test_e",
                     "client clients/test_f.py::test_d", "gtest io_test Any.Thing"):
            self.assert_finds(mutants.check, {**self.FILES, mutants.TABLE: self.ROW.format(f'"{test}"')},
                              f"there is no test '{test}'")
        self.assert_finds(mutants.check, {**self.FILES, mutants.TABLE: self.ROW.format("")}, "who finds it")


class GeneratedTest(CheckTest):
    GENERATOR = """
import pathlib
root = pathlib.Path(__file__).resolve().parents[2]
(root / "src/a").mkdir(parents=True, exist_ok=True)
(root / "src/a/x.gen.h").write_text((root / "schema/x.txt").read_text().upper())
"""

    def test_fresh(self):
        self.assert_clean(generated.check, {"tools/gen/x_gen.py": self.GENERATOR, "schema/x.txt": "abc",
                                            "src/a/x.gen.h": "ABC"})

    def test_stale_missing_orphaned_and_broken(self):
        files = {"tools/gen/x_gen.py": self.GENERATOR, "schema/x.txt": "abc", "src/a/x.gen.h": "ABD"}
        self.assert_finds(generated.check, files, "is stale")
        files["src/a/y.gen.h"] = files.pop("src/a/x.gen.h")
        self.assert_finds(generated.check, files, "no generator", "is missing")
        files["tools/gen/x_gen.py"] = "raise ValueError('no')"
        self.assert_finds(generated.check, files, "failed: ")

    def test_generated_without_generators(self):
        self.assert_finds(generated.check, {"src/a/y.gen.h": ""}, "has no *_gen.py")


class FormattingTest(CheckTest):
    def test_format(self):
        style = "BasedOnStyle: Google\nColumnLimit: 100\n"
        self.assert_clean(formatting.check, {".clang-format": style, "src/a.cc": "int f();\n",
                                             "src/b.gen.h": "int   f();\n"})
        self.assert_finds(formatting.check, {".clang-format": style,
                                             "src/c.cc": "int f();\nint   g();\n"}, "src/c.cc:2: run ./dev format")


class HeadersTest(CheckTest):
    def test_headers_stand_alone(self):
        self.assert_clean(headers.check, {"src/a/a.h": "#pragma once\n#include <string>\nstd::string f();\n"})
        self.assert_finds(headers.check, {"src/a/b.h": "#pragma once\nstd::string f();\n"}, "src/a/b.h:1: ")

    def test_a_change_below_is_seen_despite_the_cache(self):
        files = {"src/a/a.h": "#pragma once\nstruct A {};\n",
                 "src/a/b.h": '#pragma once\n#include "a/a.h"\nA f();\n'}
        self.assert_clean(headers.check, files)
        files["src/a/a.h"] = "#pragma once\nstruct C {};\n"
        self.assert_finds(headers.check, files, "src/a/b.h:1: ")


class SourceTest(unittest.TestCase):
    def test_strip_keeps_places(self):
        text = 'int a = 1\'000; // "x\nchar c = \'"\'; /* { */ auto s = R"(} ")"; auto t = "\\"{";\n'
        code = source.strip(text)
        self.assertEqual(len(code), len(text))
        self.assertEqual(code.count("\n"), text.count("\n"))
        self.assertNotIn("{", code)
        self.assertNotIn("}", code)
        self.assertIn("1'000;", code)

    def test_every_check_is_listed(self):
        here = Path(__file__).resolve().parent
        modules = {p.stem for p in here.glob("*.py") if "def check(" in p.read_text()
                   and not p.stem.endswith("_test")}
        self.assertEqual({name for name, _ in run.CHECKS}, modules)


if __name__ == "__main__":
    os.environ.pop("CXX", None)
    unittest.main()
