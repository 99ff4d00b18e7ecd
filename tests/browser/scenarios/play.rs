//! What a scenario's play is made of, and the plays of all scenarios that a page starts.

use kit::config::Site;

/// One arrow: from whom to whom, and what its label contains.
pub type Arrow = (&'static str, &'static str);

/// What the person does.
pub enum Act {
    /// Presses the button of the scenario's page with this label, and looks at the window
    /// that it opens.
    Start(&'static str),
    /// Fills the provider's form.
    SignIn,
    /// Fills the provider's form, and is greeted by this app.
    SignInTo(Site),
    /// Is greeted by this app.
    Home(Site),
    /// Presses a button or a link of the page beside.
    Press(&'static str),
    /// Waits until the first element of this selector has these words.
    Until(&'static str, &'static str),
    /// Presses the buttons of this label, one after the other, until none is left.
    PressEach(&'static str),
    /// Waits until the window beside shows this site.
    At(Site),
    /// Types the address of this path of a site.
    Open(Site, &'static str),
    /// Looks at the other window that shows this site.
    Beside(Site),
    /// Runs the command of the scenario's page with this label in a terminal.
    Run(&'static str),
    /// Waits until the terminal shows these words.
    Shown(&'static str),
    /// Opens, in a window beside, the address in the terminal that contains this.
    OpenShown(&'static str),
    /// Types the code of a device that the terminal shows.
    TypeShownCode,
    /// Waits until the command has ended well, after it showed these words.
    Ends(&'static str),
}

/// A scenario, how it is played, and the arrows of its flow in the order of the seed. What
/// else the diagram has stands between them.
pub struct Play {
    /// The scenario's name in the address.
    pub name: &'static str,
    pub acts: &'static [Act],
    pub arrows: &'static [Arrow],
}
