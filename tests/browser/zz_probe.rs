use kit::config::{Site, Weakness};
use crate::victim::Victim;
#[tokio::test(flavor = "multi_thread")]
async fn probe() {
    let victim = Victim::without(&[Weakness::SameSiteNone, Weakness::Framable]).await;
    victim.is_attacked_by("click?go").await;
    let frame = victim.browser.find("iframe.bait").await;
    frame.enter_frame().await.unwrap();
    victim.browser.until_text("h1", "Allow this app?").await;
    println!("{}", victim.browser.run("const r = document.querySelector('button').getBoundingClientRect(); return [r.x, r.y, r.width, r.height, innerWidth, innerHeight, getComputedStyle(document.documentElement).fontSize, document.documentElement.scrollHeight]").await);
    victim.browser.driver().enter_default_frame().await.unwrap();
    let out = std::path::Path::new("/tmp/w/evil");
    for (scheme, width, height) in [("light", 1280, 900), ("dark", 1280, 900), ("light", 420, 900)] {
        victim.browser.prefer(scheme).await;
        victim.browser.driver().set_window_rect(0, 0, width, height).await.unwrap();
        for page in ["", "image", "login", "click?go", "return-to", "script", "fetch?go", "landed"] {
            victim.is_attacked_by(page).await;
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            let h = victim.browser.run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]").await;
            println!("{page} {scheme} {width} {h}");
            let name = format!("{}-{scheme}-{width}.png", page.trim_end_matches("?go"));
            victim.browser.screenshot(&out.join(name)).await;
        }
    }
    println!("{:?}", victim.browser.complaints().await);
    let _ = Site::Idp;
}
