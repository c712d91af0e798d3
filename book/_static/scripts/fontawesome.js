// In place of the theme's file of this name: 1.5 MB of icons, all of which its style sheet draws as well.
