//! The files of `public/`, compiled in and served with an `ETag`. They never touch the session.

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};

/// A file of `public/`.
#[derive(Clone, Copy)]
struct Asset {
    path: &'static str,
    media_type: &'static str,
    content: &'static str,
}

const ASSETS: [Asset; 3] = [
    Asset {
        path: "/stylesheets/style.css",
        media_type: "text/css; charset=utf-8",
        content: include_str!("../public/stylesheets/style.css"),
    },
    Asset {
        path: "/javascripts/countdown.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_str!("../public/javascripts/countdown.js"),
    },
    Asset {
        path: "/images/icon.svg",
        media_type: "image/svg+xml",
        content: include_str!("../public/images/icon.svg"),
    },
];

/// A route for each file.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS.into_iter().fold(Router::new(), |router, asset| {
        router.route(
            asset.path,
            get(move |headers: HeaderMap| async move { asset.answer(&headers) }),
        )
    })
}

impl Asset {
    fn answer(self, request: &HeaderMap) -> Response {
        let tag = self.tag();
        // As express serves them: kept, but asked about each time.
        let kept = [
            (header::ETAG, tag.as_str()),
            (header::CACHE_CONTROL, "public, max-age=0"),
        ];
        let known = request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag);
        if known {
            return (StatusCode::NOT_MODIFIED, kept).into_response();
        }
        let typed = [(header::CONTENT_TYPE, self.media_type)];
        (kept, typed, self.content).into_response()
    }

    /// A 64-bit FNV-1a hash: it tells versions of our own files apart and defends against nobody.
    fn tag(self) -> String {
        let hash = self
            .content
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        format!("\"{hash:016x}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_differ_and_a_known_tag_is_not_modified() {
        let [css, js, _] = ASSETS;
        assert_ne!(css.tag(), js.tag());
        let ask = |value: &str| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, value.parse().unwrap())]);
            css.answer(&headers).status()
        };
        assert_eq!(ask(&css.tag()), StatusCode::NOT_MODIFIED);
        assert_eq!(
            ask(&format!("\"x\", W/{}", css.tag())),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(ask("*"), StatusCode::NOT_MODIFIED);
        assert_eq!(ask(&js.tag()), StatusCode::OK);
        assert_eq!(css.answer(&HeaderMap::new()).status(), StatusCode::OK);
    }
}
