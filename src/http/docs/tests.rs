//! The page for people.

use super::*;

/// Would catch a route, a status, a schema, an error or a limit that the page leaves out.
#[test]
fn the_page_says_all_that_the_document_says() {
    let document = openapi::document();
    let page = page(&document);
    for (path, method, object) in operations(&document) {
        let section = format!("<section id=\"{}\">", object["operationId"].as_str().unwrap());
        let start = page.find(&section).unwrap_or_else(|| panic!("the page has no {method} {path}"));
        let section = &page[start..][..page[start..].find("</section>").unwrap()];
        assert!(section.contains(&format!("<code>{} {path}</code>", method.to_uppercase())), "{section}");
        for parameter in items(&object["parameters"]) {
            let name = parameter["name"].as_str().unwrap();
            assert!(section.contains(&format!("<td><code>{name}</code></td>")), "{method} {path}: {name}");
        }
        for (status, _) in members(&object["responses"]) {
            assert!(section.contains(&format!("<td>{status}</td>")), "{method} {path}: {status}");
        }
    }
    for (name, _) in members(&document["components"]["schemas"]) {
        assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
    }
    for problem in items(&document["x-problems"]) {
        assert!(page.contains(&prose(&problem["advice"])), "{problem}");
    }
    for limit in items(&document["x-limits"]) {
        assert!(page.contains(&format!("<td>{}</td>", prose(&limit["name"]))), "{limit}");
    }
}

/// Would catch a page that needs the network, or a link that leads nowhere.
#[test]
fn the_page_stands_alone() {
    let page = page(&openapi::document());
    for loads in ["http://", "https://", "<script", "<link", "<img", "<iframe", "src=", "url(", "@import"] {
        assert!(!page.contains(loads), "the page has {loads}");
    }
    for target in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.contains(&format!("id=\"{target}\"")), "nothing is at #{target}");
    }
}

/// Would catch a text of the document that becomes markup.
#[test]
fn texts_are_escaped() {
    assert_eq!(
        prose(&"a <b> `c<d>` \"e\" & f".into()),
        "a &lt;b&gt; <code>c&lt;d&gt;</code> &quot;e&quot; &amp; f"
    );
}
