//! The rule on the API sheet: a question that several models answer has one name, one order of arguments and one
//! fallibility.

use super::source::code_only;
use super::tree::Tree;
use super::{Source, Violation};
use crate::Result;

/// The page that holds the sheet.
const PAGE: &str = "docs/src/architecture.md";

/// The heading of the sheet on the page.
const HEADING: &str = "## The API sheet";

/// The columns of the sheet: heading, sources and type of each model.
const MODELS: [(&str, &str, &str); 4] = [
    ("RBM", "crates/gm-rbm/src/", "Rbm"),
    ("DBM", "crates/gm-dbm/src/", "Dbm"),
    ("SBN", "crates/gm-sbn/src/", "Sbn"),
    ("DBN", "crates/gm-dbn/src/", "Dbn"),
];

/// Who is asked. The text before a table says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Model,
    Sampler,
}

/// A row of the tables of shared questions.
#[derive(Debug)]
struct Question {
    line: usize,
    subject: Subject,
    signature: String,
    name: String,
    /// Names of arguments, and whether a model may leave them out.
    arguments: Vec<(String, bool)>,
    /// Whether each model answers.
    answered: [bool; 4],
    fallible: bool,
}

/// A question that a model has for itself.
#[derive(Debug)]
struct Own {
    line: usize,
    subject: Subject,
    model: usize,
    name: String,
}

/// The part of the sheet that concerns one type of one model.
struct Part<'a> {
    model: usize,
    owner: &'a str,
    shared: Vec<&'a Question>,
    own: Vec<&'a Own>,
}

/// A public method.
#[derive(Debug)]
struct Method<'a> {
    file: &'a Source,
    line: usize,
    name: String,
    arguments: Vec<String>,
    fallible: bool,
}

/// Compares the models with the sheet.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Violation>> {
    let page = tree.file(PAGE)?;
    let (questions, own) = read_sheet(page);
    let mut found = vec![];
    for (model, (_, folder, name)) in MODELS.iter().enumerate() {
        for (subject, owner) in [(Subject::Model, *name), (Subject::Sampler, "Sampler")] {
            let files = tree.files.iter().filter(|file| file.path.starts_with(folder) && file.is("rs"));
            let methods: Vec<Method<'_>> = files.flat_map(|file| methods_of(file, owner)).collect();
            let shared = questions.iter().filter(|question| question.subject == subject).collect();
            let own = own.iter().filter(|own| own.subject == subject && own.model == model).collect();
            let part = Part { model, owner, shared, own };
            found.extend(part.missing(page, &methods));
            found.extend(methods.iter().filter_map(|method| part.departure(method)));
        }
    }
    Ok(found)
}

impl Part<'_> {
    fn heading(&self) -> &'static str {
        MODELS[self.model].0
    }

    /// The questions that the sheet lists and that the model does not answer.
    fn missing(&self, page: &Source, methods: &[Method<'_>]) -> Vec<Violation> {
        let shared = self.shared.iter().filter(|question| question.answered[self.model]);
        let listed = shared.map(|question| (question.line, &question.name));
        let listed = listed.chain(self.own.iter().map(|own| (own.line, &own.name)));
        let absent = listed.filter(|(_, name)| !methods.iter().any(|method| method.name == **name));
        let text = |name| format!("{}: `{}::{name}` does not exist", self.heading(), self.owner);
        absent.map(|(line, name)| page.violation(line, "sheet", text(name))).collect()
    }

    /// The way in which a method departs from the sheet.
    fn departure(&self, method: &Method<'_>) -> Option<Violation> {
        let (heading, owner, name) = (self.heading(), self.owner, &method.name);
        let text = match self.shared.iter().find(|question| question.name == *name) {
            None if self.own.iter().any(|own| own.name == *name) => return None,
            None => format!("`{owner}::{name}` is not on the sheet, neither shared nor as the {heading}'s own"),
            Some(shared) if !shared.answered[self.model] => {
                format!("the sheet says that the {heading} does not answer `{}`", shared.signature)
            }
            Some(shared) if !fits(&shared.arguments, &method.arguments) => {
                format!("`{owner}::{name}({})` must be `{}`", method.arguments.join(", "), shared.signature)
            }
            Some(shared) if shared.fallible != method.fallible => {
                let answer = if shared.fallible { "a `Result`" } else { "a value, not a `Result`" };
                format!("`{owner}::{name}` must return {answer}")
            }
            Some(_) => return None,
        };
        Some(method.file.violation(method.line, "sheet", text))
    }
}

/// Whether arguments are those of a signature, in its order. Arguments in brackets may be left out.
fn fits(signature: &[(String, bool)], arguments: &[String]) -> bool {
    let mut rest = arguments.iter().peekable();
    for (name, optional) in signature {
        if rest.next_if(|argument| *argument == name).is_none() && !optional {
            return false;
        }
    }
    rest.next().is_none()
}

/// The tables of the sheet.
fn read_sheet(page: &Source) -> (Vec<Question>, Vec<Own>) {
    let lines = page.text.lines().enumerate().skip_while(|(_, line)| *line != HEADING).skip(1);
    let (mut questions, mut own, mut subject) = (vec![], vec![], Subject::Model);
    for (i, line) in lines.take_while(|(_, line)| !line.starts_with("## ")) {
        if line == "Questions to a sampler:" {
            subject = Subject::Sampler;
        }
        let Some(row) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else { continue };
        let cells: Vec<&str> = row.split(" | ").collect();
        match cells[..] {
            [_, signature, a, b, c, d, answer] if signature.starts_with('`') => {
                let answered = [a, b, c, d].map(|cell| cell == "yes");
                let (signature, fallible) = (signature.trim_matches('`'), answer == "`Result`");
                questions.push(question(i + 1, (subject, signature), answered, fallible));
            }
            [heading, names] => {
                let Some(model) = MODELS.iter().position(|(name, ..)| *name == heading) else { continue };
                let names = names.split('`').skip(1).step_by(2);
                own.extend(names.map(|name| Own { line: i + 1, subject, model, name: name.into() }));
            }
            _ => {}
        }
    }
    (questions, own)
}

fn question(line: usize, (subject, signature): (Subject, &str), answered: [bool; 4], fallible: bool) -> Question {
    let (name, rest) = signature.split_once('(').unwrap_or((signature, ""));
    let arguments = rest.trim_end_matches(')').split(", ").filter(|argument| !argument.is_empty());
    let argument = |text: &str| (text.trim_matches(['[', ']']).to_owned(), text.starts_with('['));
    let arguments = arguments.map(argument).collect();
    Question { line, subject, signature: signature.into(), name: name.into(), arguments, answered, fallible }
}

/// The public methods of a type that a file defines.
fn methods_of<'a>(file: &'a Source, owner: &str) -> Vec<Method<'a>> {
    let code = code_only(&file.text);
    let (mut found, mut inside, mut start) = (vec![], false, 0);
    for (i, line) in code.lines().enumerate() {
        if line.starts_with("impl") {
            inside = is_impl_of(line, owner);
        } else if line.starts_with('}') {
            inside = false;
        } else if inside && let Some(rest) = line.strip_prefix("    pub ") {
            let rest = rest.strip_prefix("const ").unwrap_or(rest);
            if let Some(rest) = rest.strip_prefix("fn ") {
                found.extend(method(file, i + 1, &code[start + line.len() - rest.len()..]));
            }
        }
        start += line.len() + 1;
    }
    found
}

/// Whether a line begins an inherent implementation of a type.
fn is_impl_of(line: &str, owner: &str) -> bool {
    let rest = line.trim_start_matches("impl");
    let rest = if rest.starts_with('<') { &rest[closing(rest)..] } else { rest };
    let rest = rest.trim_start().strip_prefix(owner);
    !line.contains(" for ") && rest.is_some_and(|rest| rest.starts_with(['<', ' ']))
}

/// A method from the code that begins with its name.
fn method<'a>(file: &'a Source, line: usize, code: &str) -> Option<Method<'a>> {
    let (name, rest) = code.split_at(code.find(|c: char| !c.is_alphanumeric() && c != '_')?);
    let rest = if rest.starts_with('<') { &rest[closing(rest)..] } else { rest };
    let (list, rest) = rest.split_at(closing(rest));
    let list = list.strip_prefix('(')?.strip_suffix(')')?;
    let names = split_at_commas(list).into_iter().map(|argument| argument.split(": ").next().unwrap_or_default());
    let names = names.map(|name| name.trim_start_matches("mut ")).filter(|name| !name.is_empty());
    let arguments = names.filter(|name| !name.ends_with("self")).map(str::to_owned).collect();
    let fallible = rest[..rest.find(" {").unwrap_or(rest.len())].contains("Result<");
    Some(Method { file, line, name: name.into(), arguments, fallible })
}

/// Where the bracket that the text begins with is closed.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    for (i, step) in brackets(text) {
        depth += step;
        if depth == 0 {
            return i + 1;
        }
    }
    text.len()
}

/// What stands between the outermost commas of a list.
fn split_at_commas(list: &str) -> Vec<&str> {
    let outermost = |&(i, _): &(usize, &str)| brackets(&list[..i]).map(|(_, step)| step).sum::<i32>() == 0;
    let commas: Vec<usize> = list.match_indices(',').filter(outermost).map(|(i, _)| i).collect();
    let starts = std::iter::once(0).chain(commas.iter().map(|i| i + 1));
    starts.zip(commas.iter().copied().chain([list.len()])).map(|(from, to)| list[from..to].trim()).collect()
}

/// The brackets of a text: 1 for each that opens and -1 for each that closes. The head of an arrow is no bracket.
fn brackets(text: &str) -> impl Iterator<Item = (usize, i32)> + '_ {
    text.char_indices().filter_map(|(i, c)| match c {
        '(' | '[' | '{' | '<' => Some((i, 1)),
        '>' if text[..i].ends_with(['-', '=']) => None,
        ')' | ']' | '}' | '>' => Some((i, -1)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::{source, texts};

    const SHEET: &str = "\
## The API sheet

Questions to a model:

| question | signature | RBM | DBM | SBN | DBN | answer |
|---|---|---|---|---|---|---|
| log p | `log_prob(v, [log_partition])` | yes | - | yes | - | `Result` |
| units | `layers()` | yes | - | - | - | value |

| model | questions of its own |
|---|---|
| RBM | `energy` |

Questions to a sampler:

| question | signature | RBM | DBM | SBN | DBN | answer |
|---|---|---|---|---|---|---|
| sweeps | `run(chains, sweeps)` | yes | - | - | - | value |

## Next

| log Z | `log_partition()` | yes | - | - | - | `Result` |
";

    const RBM: &str = "\
impl Rbm {
    pub fn log_prob<'v>(
        &self,
        v: impl Into<BatchRef<'v>>,
        log_partition: f64,
    ) -> Result<Vec<f64>> {
        f(v)
    }

    pub fn layers(&self) -> Vec<usize> {
        g()
    }

    pub fn energy(&self, (v, h): (&A, &B)) -> f64 {
        0.0
    }

    pub(crate) fn hidden(&self) {}
}

impl From<Rbm> for Other {
    pub fn not_a_method() {}
}

impl<'a> Sampler<'a> {
    pub fn run<T>(&self, chains: &mut Chains, sweeps: impl FnOnce(&Rbm, usize) -> Result<T>) -> StepInfo {}
}

impl SamplerOfOthers {
    pub fn other(&self) {}
}
";

    const SBN: &str = "impl Sbn {\n    pub fn log_prob(&self, v: &B) -> Result<Vec<f64>> {}\n}\n";

    fn found(rbm: &str, sbn: &str) -> Vec<String> {
        let files = [(PAGE, SHEET), ("crates/gm-rbm/src/model.rs", rbm), ("crates/gm-sbn/src/model.rs", sbn)];
        let files = files.iter().map(|(path, text)| source(path, text)).collect();
        texts(&check(&Tree { files, ..Tree::default() }).unwrap())
    }

    #[test]
    fn table_models_that_keep_to_the_sheet_pass() {
        assert_eq!(found(RBM, SBN), Vec::<String>::new());
    }

    #[test]
    fn rejects_a_question_under_another_name() {
        let expected = [
            "docs/src/architecture.md:8: sheet: RBM: `Rbm::layers` does not exist",
            "crates/gm-rbm/src/model.rs:10: sheet: `Rbm::sizes` is not on the sheet, neither shared nor as the RBM's own",
        ];
        assert_eq!(found(&RBM.replace("layers", "sizes"), SBN), expected);
    }

    #[test]
    fn rejects_another_order_of_arguments() {
        let other = RBM.replace("chains: &mut Chains, sweeps:", "sweeps: usize, chains:");
        let expected =
            "crates/gm-rbm/src/model.rs:26: sheet: `Sampler::run(sweeps, chains)` must be `run(chains, sweeps)`";
        assert_eq!(found(&other, SBN), [expected]);
        let without = RBM.replace("        v: impl Into<BatchRef<'v>>,\n", "");
        assert_eq!(found(&without, SBN).len(), 1);
    }

    #[test]
    fn rejects_another_fallibility() {
        let expected = "crates/gm-rbm/src/model.rs:2: sheet: `Rbm::log_prob` must return a `Result`";
        assert_eq!(found(&RBM.replace(") -> Result<Vec<f64>> {", ") -> Vec<f64> {"), SBN), [expected]);
        let expected = "crates/gm-rbm/src/model.rs:10: sheet: `Rbm::layers` must return a value, not a `Result`";
        assert_eq!(found(&RBM.replace("-> Vec<usize>", "-> Result<Vec<usize>>"), SBN), [expected]);
    }

    #[test]
    fn rejects_an_answer_that_the_sheet_denies_and_an_own_question_that_is_gone() {
        let answers = SBN.replace("impl Sbn {\n", "impl Sbn {\n    pub fn layers(&self) -> Vec<usize> {}\n");
        let expected = "crates/gm-sbn/src/model.rs:2: sheet: the sheet says that the SBN does not answer `layers()`";
        assert_eq!(found(RBM, &answers), [expected]);
        let gone = RBM.replace("pub fn energy", "fn energy");
        assert_eq!(found(&gone, SBN), ["docs/src/architecture.md:12: sheet: RBM: `Rbm::energy` does not exist"]);
    }
}
